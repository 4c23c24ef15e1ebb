/** What the linear sibling says of a record without a memory, of the first record of a device, and of its later ones. */
import type { ContextState } from '../../src/calibration/context';
import { createScaler } from '../../src/domain/scaler';
import { createWindowBatch, windowShape } from '../../src/domain/window';
import { createLinearReading } from '../../src/scoring/linear-reading';
import { createMemoryFactory, type DeviceMemory, type MemoryState } from '../../src/scoring/memory';

const channels = ['load', 'temperature'];
const shape = windowShape({ channels, conditions: [] }, 3);
const scaler = createScaler({
  center: [50, 20],
  scale: [10, 2],
  min: [0, 0],
  max: [100, 40],
  count: [9, 9],
});
const context: ContextState = {
  channels: [{ channel: 1, intercept: 0.5, coefficients: [0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0], limit: 4 }],
  centre: [0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0],
  reach: [9, 9, 9, 9, 9, 9, 9, 9],
  devices: {},
  precision: [1, 0.2, 0.2, 1],
};
const linearMean = { spread: [0.5, 0.25], precision: [1, 0, 0, 1] };
const deviations = Float32Array.from([1, -0.5, 0.25, 2]);

/** Two windows, of which the newest record is the last. */
function batchOf() {
  const batch = createWindowBatch(shape, 2);
  batch.values.set([50, 20, 50, 20, 70, 19, 50, 20, 50, 20, 30, 24]);
  batch.count = 2;
  return batch;
}

function newDevice(state: Pick<MemoryState, 'context' | 'linearMean'>): DeviceMemory {
  const baseline = { records: 0, median: 0, spread: 1, start: [], devices: {} };
  const memoryState = { channels, baseline, calibration: { evidence: {} }, ...state };
  return createMemoryFactory(memoryState as unknown as MemoryState, scaler)({ maxKeys: 1 }).of('new');
}

test.each([{ context, linearMean }, { context }, { linearMean }])(
  'without a memory a record is read as the first one of a new device: %o',
  (state) => {
    const { inContext, mean } = createLinearReading(state, { shape, scaler });
    const batch = batchOf();
    for (const window of [0, 1]) {
      const memory = newDevice(state);
      const alone = [inContext?.(batch, window, deviations), mean?.(window, deviations)];
      const first = [inContext?.(batch, window, deviations, memory), mean?.(window, deviations, memory)];
      expect(alone).toEqual(first);
      expect(alone.filter((value) => value !== undefined)).toHaveLength(Object.keys(state).length);
    }
  },
);

test('the mean is of what the context leaves of the deviations', () => {
  const withContext = createLinearReading({ context, linearMean }, { shape, scaler });
  const without = createLinearReading({ linearMean }, { shape, scaler });
  withContext.inContext!(batchOf(), 0, deviations);
  expect(withContext.mean!(0, deviations)).not.toBe(without.mean!(0, deviations));
  // Of one record of an exponential mean over ten: a share of 2/11, in the spread of the mean.
  expect(without.mean!(0, deviations)).toBeCloseTo((2 / 11 / 0.5) ** 2 + ((-0.5 * 2) / 11 / 0.25) ** 2, 12);
});

test('with a memory what lasts adds up', () => {
  const { mean } = createLinearReading({ linearMean }, { shape, scaler });
  const memory = newDevice({ linearMean });
  const first = mean!(0, deviations, memory);
  for (let record = 0; record < 20; record++) mean!(0, deviations, memory);
  expect(mean!(0, deviations, memory)).toBeGreaterThan(10 * first);
});
