/** Chooses the anomalous records to explain: an explanation takes as long as many scores. */

import type { Detection } from './detection';

export interface ExplanationBudget {
  /** Maximum share of the time in the long run. */
  share: number;
  /** Maximum time at once, ms; the last explanation may exceed it. */
  burstMs: number;
}

/** Within the budget, explains the first anomalous record of a run, and each ten times less probable than the last explained. */
export type ExplanationRule = ReturnType<typeof createExplanationRule>;

/** A factor of ten in probability. */
const growth = 1;

export function createExplanationRule({ share, burstMs }: ExplanationBudget) {
  /** Surprise of the last explained record, of keys with an anomaly only. */
  const explained = new Map<string, number>();
  let leftMs = burstMs;
  let at: number | undefined;
  return {
    /**
     * Whether to explain this record. Call once per detection, in order within a key.
     * @param now Unix ms, with which the budget grows
     */
    isDue(
      { key, surprise, anomalous }: Pick<Detection, 'key' | 'surprise' | 'anomalous'>,
      now: number,
    ): boolean {
      if (!anomalous) {
        explained.delete(key);
        return false;
      }
      leftMs = Math.min(burstMs, leftMs + Math.max(0, now - (at ?? now)) * share);
      at = now;
      // If the budget is spent, the key stays due.
      if (surprise < (explained.get(key) ?? -Infinity) + growth || leftMs <= 0) return false;
      explained.set(key, surprise);
      return true;
    },
    /** Subtracts the time of an explanation from the budget, ms. */
    spent(ms: number): void {
      leftMs -= ms;
    },
  };
}
