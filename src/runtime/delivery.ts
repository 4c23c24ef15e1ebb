/** What surrounds the processing of a batch: its outcome reaches /readyz, and the clock advances after it. */
import type { HandleBatch } from '../sources/source';
import { errorChain } from '../system/error-text';
import type { Clock } from './clock';
import type { ModelSlot } from './model-slot';
import type { Readiness } from './readiness';

export interface DeliveryOptions {
  process: HandleBatch;
  slot: Pick<ModelSlot, 'scoring'>;
  readiness: Pick<Readiness, 'batchFailed' | 'batchProcessed'>;
  clock: Pick<Clock, 'advance'>;
}

export function createDelivery({ process, slot, readiness, clock }: DeliveryOptions): HandleBatch {
  return async (batch) => {
    try {
      await slot.scoring(process(batch));
    } catch (error) {
      readiness.batchFailed(errorChain(error));
      throw error;
    }
    readiness.batchProcessed();
    await clock.advance(batch.messages);
  };
}
