/** Chooses the anomalous records to explain: an explanation takes as long as many scores. */

import type { Detection } from './detection';

export interface ExplanationBudget {
  /** Maximum long-run share of the time that explanations may take. */
  share: number;
  /** Maximum time that explanations may take at once, ms; the last one may exceed it. */
  burstMs: number;
}

/**
 * Within the budget, explains the first anomalous record of a run, and each record that is ten times less probable than the
 * last explained one.
 */
export type ExplanationRule = ReturnType<typeof createExplanationRule>;

/** Growth of surprise that calls for a new explanation: a factor of ten in probability. */
const growth = 1;

export function createExplanationRule({ share, burstMs }: ExplanationBudget) {
  /** Surprise of the last explained record of each key, while its anomaly lasts. */
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
      // Without budget, nothing is noted, so that the next record of the key can be explained.
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
