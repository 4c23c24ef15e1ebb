import fc from 'fast-check';
import { createCategoryTable, createConditionEncoder, fitConditions } from '../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../src/domain/record';
import { createScaler } from '../../src/domain/scaler';
import {
  createWindowBatch,
  resetEncoded,
  type EncodedWindows,
  type WindowShape,
} from '../../src/domain/window';
import { createWindowStore } from '../../src/domain/window-store';
import { createWindowEncoder } from '../../src/scoring/encode';
import { findCounters, withRates } from '../../src/training/counters';
import { createDatasetBuilder } from '../../src/training/dataset';

const schema: RecordSchema = {
  channels: ['level', 'count'],
  missingChannels: 'mask',
  extraChannels: 'reject',
  conditions: [],
};

/** Compares the encoding that a store keeps record by record with that of the whole window. */
function createComparison(shape: WindowShape) {
  const each = (value: number) => [value, value];
  const scaler = { center: each(10), scale: each(3), min: each(-1e9), max: each(1e9), count: each(1) };
  const table = createCategoryTable();
  const conditions = fitConditions([], table, new Float64Array(), 0);
  const encoder = createWindowEncoder(shape, createScaler(scaler), createConditionEncoder(conditions, table));
  const [kept, whole] = [encoder.createBuffers(1), encoder.createBuffers(1)];
  const part = ({ x, mask, lacking }: EncodedWindows) =>
    [x, mask, lacking].map((column) => Array.from(column));
  return {
    createBatch() {
      resetEncoded(kept);
      return createWindowBatch(shape, 1, kept, { counters: [1] });
    },
    compare(batch: ReturnType<typeof createWindowBatch>): void {
      encoder.mask(batch, kept);
      encoder.encode(batch, whole);
      expect(part(kept)).toEqual(part(whole));
    },
  };
}

const anyRecord = fc.record({
  key: fc.constantFrom('a', 'b'),
  step: fc.constantFrom(1, 1, 2, 3, 7, 60),
  growth: fc.constantFrom(0, 5, 9, NaN, NaN, -1),
});

test('live windows have the same rates as those of the training, also after a restart', () => {
  fc.assert(
    fc.property(
      fc.array(anyRecord, { maxLength: 60 }),
      fc.nat(60),
      fc.record({
        length: fc.integer({ min: 1, max: 5 }),
        gaps: fc.constantFrom('ignore', 'break', 'fill'),
        padding: fc.constantFrom('none', 'missing'),
      }),
      (records, cut, { length, gaps, padding }) => {
        const time = { ttlMs: 30, intervalMs: 1, gaps, padding } as const;
        const shape = { length, channels: 2, conditions: 0 };
        const limits = { ...time, maxKeys: 10 };
        const batch = createRecordBatch(schema, records.length);
        let store = createWindowStore(shape, limits);
        const comparison = createComparison(shape);
        const live = new Map<string, number[]>();
        const counts = new Map<string, number>();
        let now = 1000;
        records.forEach(({ key, step, growth }, row) => {
          if (row === cut) store = createWindowStore(shape, limits, store.snapshot());
          now += step;
          // A growth of -1 is a reset.
          const known = Number.isNaN(growth) ? 0 : growth;
          counts.set(key, growth === -1 ? 1 : (counts.get(key) ?? 100) + known);
          batch.keys[row] = key;
          batch.timestamps[row] = now;
          batch.values.set([now / 3, Number.isNaN(growth) ? NaN : counts.get(key)!], 2 * row);
          batch.count++;
          const pushed = store.push(key, row, batch.timestamps, batch.values, batch.conditions);
          if (pushed !== 'ready') return;
          const window = comparison.createBatch();
          store.copy(key, window);
          comparison.compare(window);
          live.set(`${key} ${now}`, Array.from(window.values));
        });

        const builder = createDatasetBuilder(shape);
        builder.add(batch);
        const options = { time, exclude: [], maxExcludedShare: 0.5, limits: () => [] };
        const dataset = withRates(builder.build(shape, options), schema.channels, ['count']);
        const trained = Array.from(dataset.ends, (end) => {
          const window = createWindowBatch(shape, 1);
          dataset.copy(end, window);
          return Array.from(window.values);
        });
        expect(trained).toEqual([...live.values()]);
      },
    ),
  );
});

describe('the counters of a history', () => {
  const dataset = () => {
    const batch = createRecordBatch(schema, 400);
    for (let row = 0; row < 400; row++) {
      batch.keys[row] = row % 2 === 0 ? 'a' : 'b';
      batch.timestamps[row] = 1000 * row;
      // The two devices count from different values.
      batch.values.set([Math.sin(row), (row % 2) * 1e6 + 3 * row], 2 * row);
      batch.count++;
    }
    const shape = { length: 3, channels: 2, conditions: 0 };
    const builder = createDatasetBuilder(shape);
    builder.add(batch);
    return builder.build(shape, {
      time: { ttlMs: 60_000, intervalMs: 0, gaps: 'ignore', padding: 'none' },
      exclude: [{ key: 'a', from: 100_000, to: 100_000 }],
      maxExcludedShare: 0.5,
      limits: () => [],
    });
  };

  test('are found for each device by itself', () => {
    expect(findCounters(dataset(), schema.channels, () => 'auto')).toEqual(['count']);
  });

  test('are those of the configuration where there is one', () => {
    const kinds = { level: 'counter', count: 'level' } as const;
    const kindOf = (name: string) => kinds[name as keyof typeof kinds];
    expect(findCounters(dataset(), schema.channels, kindOf)).toEqual(['level']);
  });

  test('have no rate from an excluded record, or from another device', () => {
    const { values, timestamps } = withRates(dataset(), schema.channels, ['count']);
    const withoutRate = Array.from(timestamps).filter((_, row) => Number.isNaN(values[2 * row + 1]!));
    expect(withoutRate).toEqual([0, 102_000, 1000]);
  });

  test('leave the values of the history unchanged', () => {
    const levels = dataset();
    const before = levels.values.slice();
    withRates(levels, schema.channels, ['count']);
    expect(levels.values).toEqual(before);
  });
});
