/** Which anomalous records are explained: not all of them, as one explanation takes as long as many scores. */

export interface ExplanationBudget {
  /** Explanations a second, over time … */
  perSecond: number;
  /** … and how many may come at once. */
  burst: number;
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
}

/** Ten times as improbable, on the scale of surprise. */
const growth = 1;

export function createExplanationRule({ perSecond, burst }: ExplanationBudget): ExplanationRule {
  /** Surprise of the last record that was explained, of the keys in trouble: memory follows the trouble, not the fleet. */
  const explained = new Map<string, number>();
  let left = burst;
  let at: number | undefined;
  return {
    isDue({ key, surprise, anomalous }, now) {
      if (!anomalous) {
        explained.delete(key);
        return false;
      }
      left = Math.min(burst, left + (Math.max(0, now - (at ?? now)) / 1000) * perSecond);
      at = now;
      // Where the budget is spent the key stays due.
      if (surprise < (explained.get(key) ?? -Infinity) + growth || left < 1) return false;
      left--;
      explained.set(key, surprise);
      return true;
    },
  };
}
