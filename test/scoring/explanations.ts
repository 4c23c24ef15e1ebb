/** Tests of explanations on faults in one known channel of the synthetic pump, for any model. */
import type { CategoryTable } from '../../src/domain/condition';
import { createWindowBatch, type WindowBatch } from '../../src/domain/window';
import type { AnyModelSpec } from '../../src/models/zoo';
import { createDetector, type Detector, type Scores } from '../../src/scoring/detector';
import { createRandom, tf } from '../../src/tensor';
import type { Dataset } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { createDataset, createRecords, options, schema, toDataset } from '../models/synthetic';
import { openTestBackend } from '../backend';

let dataset: Dataset;
let table: CategoryTable;

beforeAll(async () => {
  await openTestBackend('wasm');
  ({ dataset, table } = createDataset(1500, 1));
});

function windowsOf(data: Dataset, ends: ArrayLike<number>): WindowBatch {
  const batch = createWindowBatch(data.shape, ends.length);
  for (const end of Array.from(ends)) data.copy(end, batch);
  return batch;
}

/** About a standard deviation of each channel; more for the vibration, which no other channel predicts. */
const sizes = [3, 5, 8, 1.5];

/** The faulty value, `t` records after the fault began with the value `held`. */
const faults: Record<string, (value: number, size: number, t: number, held: number) => number> = {
  offset: (value, size) => value + size,
  'negative offset': (value, size) => value - size,
  spike: (value, size, t) => (t % 4 === 0 ? value + 2 * size : value),
  drift: (value, size, t) => value + (size * (t + 1)) / 5,
  noise: (value, size, t) => value + size * createRandom(t).normal(),
  gain: (value) => value * 1.8,
  held: (_, size, t, held) => held + size * (t === 0 ? 0 : 1),
};
const kinds = Object.keys(faults);
const channels = schema.channels.length;

/** Each channel with each kind of fault in turn: ten faulty records in every thirty. */
const isFaulty = (i: number): boolean => i % 30 >= 20;
const faultAt = (i: number): { channel: number; kind: string } => {
  const episode = Math.floor(i / 30);
  return { channel: episode % channels, kind: kinds[Math.floor(episode / channels) % kinds.length]! };
};

function createFaultyData(): Dataset {
  let held = 0;
  const { batch } = createRecords(30 * channels * kinds.length, 11, table, (values, i) => {
    if (!isFaulty(i)) return;
    const { channel, kind } = faultAt(i);
    const t = (i % 30) - 20;
    if (t === 0) held = values[channel]!;
    values[channel] = faults[kind]!(values[channel]!, sizes[channel]!, t, held);
  });
  return toDataset(batch);
}

interface Hits {
  /** Anomalous records, and those whose first contribution is the broken channel. */
  count: number;
  hits: number;
  ms: number;
}

async function hitRatios(detector: Detector, explained: boolean): Promise<Hits> {
  const data = createFaultyData();
  const ends = data.ends.filter(isFaulty);
  const scores = await detector.score(windowsOf(data, ends));
  let [count, hits] = [0, 0];
  const began = performance.now();
  ends.forEach((end, i) => {
    if (scores.surprise[i]! < 3 || i % 2 === 1) return;
    const [first] = explained ? scores.explain(i).contributions : scores.contributions(i);
    count++;
    if (first!.channel === schema.channels[faultAt(end).channel]) hits++;
  });
  return { count, hits, ms: (performance.now() - began) / count };
}

/** The explanation of the only window of the batch. */
async function explained(detector: Detector, batch: WindowBatch): Promise<ReturnType<Scores['explain']>> {
  return (await detector.score(batch)).explain(0);
}

const describeRatio = ({ hits, count }: Hits): string => `${hits} of ${count}`;

export type Variant = [name: string, model: Partial<AnyModelSpec>];

/** Tests the explanations of each of these models. */
export function testExplanations(variants: readonly Variant[]): void {
  describe.each(variants)('%s', (name, model) => {
    let detector: Detector;

    beforeAll(async () => {
      const trained = await train(dataset, table, {
        ...options,
        ...(model.kind === 'aae'
          ? { epochs: 30, batchSize: 64, learningRate: 5e-3 }
          : { epochs: 15, batchSize: 128, learningRate: 2e-2 }),
        model: { ...options.model, beta: 1.5, levels: [2, 3], ...model },
      });
      detector = createDetector('v1', trained.state, trained.model, table);
    }, 60_000);
    afterAll(() => {
      detector.dispose();
      expect(tf.memory().numTensors).toBe(0);
    });

    test('the broken channel is named first', async () => {
      const before = await hitRatios(detector, false);
      const after = await hitRatios(detector, true);
      process.stdout.write(
        `${name}: the broken channel first in ${describeRatio(before)} without the nearest normal, ` +
          `${describeRatio(after)} with it (${after.ms.toFixed(0)} ms each)\n`,
      );
      expect(after.count).toBeGreaterThan(30);
      expect(after.hits / after.count).toBeGreaterThanOrEqual(0.9);
      // Of 42 records of the Student t it misses one that the reconstruction alone names right.
      expect(after.hits).toBeGreaterThanOrEqual(before.hits - 1);
    });

    test('working channels are expected near their values, and the broken one near its normal value', async () => {
      // Temperature follows the load; 8 above it is more than a standard deviation.
      const { batch } = createRecords(400, 5, table, (values, i) => {
        if (i >= 380) values[2]! += 8;
      });
      const data = toDataset(batch);
      const { contributions, nearestNormal } = await explained(detector, windowsOf(data, [385]));
      expect(nearestNormal.leftOut).toEqual(['temperature']);
      const of = (channel: string) => contributions.find((one) => one.channel === channel)!;
      const { actual, expected } = of('temperature');
      expect(actual - expected).toBeGreaterThan(5);
      expect(actual - expected).toBeLessThan(11);
      expect(Math.abs(of('current').actual - of('current').expected)).toBeLessThan(1.5);
    });

    test('two broken channels are both left out, and no working one', async () => {
      const { batch } = createRecords(400, 5, table, (values, i) => {
        if (i < 380) return;
        values[1]! += 6;
        values[3]! += 2;
      });
      const { contributions, nearestNormal } = await explained(detector, windowsOf(toDataset(batch), [385]));
      expect([...nearestNormal.leftOut].sort()).toEqual(['current', 'vibration']);
      const named = contributions.slice(0, 2).map(({ channel }) => channel);
      expect(named.sort()).toEqual(['current', 'vibration']);
    });

    test('contributions sum to the reconstruction, and explanations are repeatable', async () => {
      const data = createFaultyData();
      const ends = [25, 145, 265, 385];
      const together = await detector.score(windowsOf(data, ends));
      for (const [i, end] of ends.entries()) {
        const explanation = together.explain(i);
        const { contributions, nearestNormal } = explanation;
        const sum = contributions.reduce((total, { contribution }) => total + contribution, 0);
        expect(sum).toBeCloseTo(nearestNormal.reconstruction, 6);
        expect(await explained(detector, windowsOf(data, [end]))).toEqual(explanation);
      }
    });

    test('an unknown load is no broken sensor: its code is unusual', async () => {
      // All three change together, as usual.
      const { batch } = createRecords(400, 5, table, (values, i) => {
        if (i < 380) return;
        const load = values[0]! + 6;
        values.set([load, 2 * load, 40 + 3 * load]);
      });
      const { nearestNormal } = await explained(detector, windowsOf(toDataset(batch), [385]));
      expect(nearestNormal.latent).toHaveLength(3);
      const { latent } = nearestNormal;
      const levels = detector.state.spec.kind === 'hvae' ? [2, 3] : [3];
      for (const { level, dimension, nats, value, expected } of latent) {
        expect(dimension).toBeLessThanOrEqual(levels[level - 1]!);
        expect([nats, value, expected].every(Number.isFinite)).toBe(true);
        expect(nats).toBeGreaterThanOrEqual(0);
      }
      const normal = await explained(detector, windowsOf(dataset, [dataset.ends[200]!]));
      expect(latent[0]!.nats).toBeGreaterThan(normal.nearestNormal.latent[0]!.nats);
    });

    test('windows with some or only missing values have an explanation', async () => {
      const batch = windowsOf(createFaultyData(), [25, 26]);
      batch.values[batch.values.length / 2 - 1] = NaN;
      batch.values.fill(NaN, batch.values.length / 2);
      const scores = await detector.score(batch);
      expect(
        Number.isNaN(scores.explain(0).contributions.find((c) => c.channel === 'vibration')!.actual),
      ).toBe(true);
      const nothing = scores.explain(1);
      expect(nothing.nearestNormal).toMatchObject({ reconstruction: 0, leftOut: [] });
      expect(nothing.contributions.every(({ expected }) => Number.isFinite(expected))).toBe(true);
    });
  });
}
