import { createDelivery } from '../../src/runtime/delivery';
import type { Batch } from '../../src/sources/source';

const batch = { messages: [{ timestamp: 1 }, { timestamp: 2 }] } as unknown as Batch;

function create(process: () => Promise<void>) {
  const steps: unknown[] = [];
  const deliver = createDelivery(
    process,
    { scoring: (work) => work },
    {
      batchEnded: (failure) => void steps.push(failure === undefined ? 'processed' : `failed: ${failure}`),
    },
    {
      advance(records) {
        steps.push(records.map(({ timestamp }) => timestamp));
        return Promise.resolve();
      },
    },
    () => Promise.resolve(void steps.push('between batches')),
  );
  return { steps, deliver };
}

test('the clock advances after the batch is processed, and then the version may change', async () => {
  const { steps, deliver } = create(() => Promise.resolve());
  await deliver(batch);
  expect(steps).toEqual(['processed', [1, 2], 'between batches']);
});

test('a failed batch is reported with its causes and rejected, and the clock does not advance', async () => {
  const error = new Error('sink kafka', { cause: new Error('timeout') });
  const { steps, deliver } = create(() => Promise.reject(error));
  await expect(deliver(batch)).rejects.toBe(error);
  expect(steps).toEqual(['failed: sink kafka ← timeout']);
});
