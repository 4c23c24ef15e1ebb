/** Which anomalous records are explained: not all of them, as one explanation takes as long as many scores. */

/** What explanations may cost, whatever the engine, the model and the number of anomalies. */
export interface ExplanationBudget {
  /** Share of the time, over time … */
  share: number;
  /** … and how much at once, ms: the last one may go beyond it. */
  burstMs: number;
}

/**
 * A record is explained where a run of anomalous records of a key begins, and where it has become ten times as improbable
 * as the one that was explained last; all within the budget.
 */
export interface ExplanationRule {
  /**
   * Whether this record is to be explained. One call per detection, in order within a key.
   * @param now Unix ms, what the budget grows with
   */
  isDue(detection: { key: string; surprise: number; anomalous: boolean }, now: number): boolean;
  /** Takes what an explanation has cost from the budget, ms. */
  spent(ms: number): void;
}

/** Ten times as improbable, on the scale of surprise. */
const growth = 1;

export function createExplanationRule({ share, burstMs }: ExplanationBudget): ExplanationRule {
  /** Surprise of the last record that was explained, of the keys in trouble: memory follows the trouble, not the fleet. */
  const explained = new Map<string, number>();
  let leftMs = burstMs;
  let at: number | undefined;
  return {
    isDue({ key, surprise, anomalous }, now) {
      if (!anomalous) {
        explained.delete(key);
        return false;
      }
      leftMs = Math.min(burstMs, leftMs + Math.max(0, now - (at ?? now)) * share);
      at = now;
      // Where the budget is spent the key stays due.
      if (surprise < (explained.get(key) ?? -Infinity) + growth || leftMs <= 0) return false;
      explained.set(key, surprise);
      return true;
    },
    spent(ms) {
      leftMs -= ms;
    },
  };
}
