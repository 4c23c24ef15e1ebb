/** Wraps the processing of a batch: /readyz reports its outcome, and the clock advances after it. */
import type { HandleBatch } from '../sources/source';
import { errorChain } from '../system/error-text';
import type { Clock } from './clock';
import type { ModelSlot } from './model-slot';
import type { Readiness } from './readiness';

export function createDelivery(
  process: HandleBatch,
  slot: Pick<ModelSlot, 'scoring'>,
  readiness: Pick<Readiness, 'batchEnded'>,
  clock: Pick<Clock, 'advance'>,
  betweenBatches: () => Promise<void>,
): HandleBatch {
  return async (batch) => {
    try {
      await slot.scoring(process(batch));
    } catch (error) {
      readiness.batchEnded(errorChain(error));
      throw error;
    }
    readiness.batchEnded();
    await clock.advance(batch.messages);
    await betweenBatches();
  };
}
