/** Versions of the closed form that a hundred records train and calibrate. */
import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import { createRecordBatch, type RecordSchema } from '../../src/domain/record';
import { createWindowBatch } from '../../src/domain/window';
import { disposeModel } from '../../src/models/model';
import { createDetector, type Detector } from '../../src/scoring/detector';
import { createRandom } from '../../src/tensor';
import type { Dataset } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { type TrainingOptions } from '../../src/training/options';
import { openTestBackend } from '../backend';
import { options, toDataset } from './synthetic';

beforeAll(async () => {
  await openTestBackend('wasm');
});

/** Records of one device; each channel is a share of a common cause, and noise. */
function records(
  count: number,
  seed: number,
  { channels = 4, length = 10, correlation = 0.5 },
  disturb: (values: Float64Array, i: number) => void = () => undefined,
): Dataset {
  const random = createRandom(seed);
  const batch = createRecordBatch(schemaOf(channels), count);
  const read = createConditionReader(schemaOf(channels).conditions, table);
  for (let i = 0; i < count; i++) {
    const common = random.normal();
    const values = batch.values.subarray(i * channels, (i + 1) * channels) as Float64Array;
    for (let j = 0; j < channels; j++)
      values[j] = Math.sqrt(correlation) * common + Math.sqrt(1 - correlation) * random.normal();
    disturb(values, i);
    batch.keys[i] = 'a';
    batch.timestamps[i] = Date.UTC(2026, 0, 1) + i * 1000;
    read({ mode: modeOf(i) }, batch.conditions, i);
    batch.count++;
  }
  const shape = { channels, conditions: 1, length };
  return toDataset(batch, shape);
}

const table = createCategoryTable();
const modeOf = (i: number): string => (Math.floor(i / 25) % 2 === 0 ? 'idle' : 'busy');

function schemaOf(channels: number): RecordSchema {
  return {
    channels: Array.from({ length: channels }, (_, j) => `c${j}`),
    missingChannels: 'mask',
    extraChannels: 'reject',
    conditions: [{ name: 'mode', kind: 'category', maxValues: 8, missing: 'unknown' }],
  };
}

function trainOn(history: Dataset): ReturnType<typeof train> {
  const { channels } = history.shape;
  const own: TrainingOptions = {
    ...options,
    openScoring: undefined,
    schema: schemaOf(channels),
    minRecords: 1,
    calibrationShare: 0.5,
    statistics: ['balanced', 'linear', 'newest'],
    model: { ...options.model, kind: 'linear', latentDim: 8 },
  };
  return train(history, table, own);
}

/** As deployed: with the memory of the device. */
async function score(detector: Detector, data: Dataset) {
  const { channels, length } = data.shape;
  const batch = createWindowBatch(data.shape, data.ends.length);
  const memory = detector.createMemories({ maxKeys: 1 }).of('a');
  for (let i = 0; i < length - 1; i++) memory.enter(data.values, i * channels, data.timestamps[i]!);
  data.ends.forEach((end, i) => {
    data.copy(end, batch);
    memory.enter(data.values, end * channels, data.timestamps[end]!);
    memory.recall(batch, i);
  });
  return detector.score(batch, () => memory);
}

const threshold = -Math.log10(0.005);

describe('a hundred records', () => {
  test('calibrate a model that finds spikes, with few false alarms on fresh records', async () => {
    let [alarms, normal, found, spikes] = [0, 0, 0, 0];
    for (let seed = 1; seed <= 6; seed++) {
      const { state, model, report } = await trainOn(records(100, seed, {}));
      expect(report).toMatchObject({ epochs: 0, steps: 0, trainingEngine: 'closed form' });
      expect(state.spec).toMatchObject({ kind: 'linear', hidden: [] });
      const detector = createDetector('v', state, model, table);
      const fresh = await score(detector, records(1000, 100 + seed, {}));
      alarms += fresh.aboveBaseline.filter((s) => s >= threshold).length;
      normal += fresh.count;
      const isSpike = (i: number): boolean => i % 40 === 39;
      const data = records(600, 200 + seed, {}, (values, i) => isSpike(i) && (values[0]! += 8));
      const spiked = await score(detector, data);
      data.ends.forEach((end, i) => {
        if (!isSpike(end)) return;
        spikes++;
        if (spiked.aboveBaseline[i]! >= threshold) found++;
        // Beyond what so few calibration records can know.
        if (spiked.aboveBaseline[i]! >= threshold) expect(spiked.extrapolated[i]).toBe(1);
      });
      disposeModel(model);
    }
    expect(alarms / normal).toBeLessThan(0.02);
    expect(found / spikes).toBeGreaterThan(0.85);
  }, 60_000);

  test('teach what depends on a condition', async () => {
    const byMode = (values: Float64Array, i: number): void => {
      if (modeOf(i) === 'busy') values[1]! += 20;
    };
    const { state, model } = await trainOn(records(150, 1, {}, byMode));
    const detector = createDetector('v', state, model, table);
    const share = ({ aboveBaseline, count }: Awaited<ReturnType<typeof score>>): number =>
      aboveBaseline.filter((s) => s >= threshold).length / count;
    expect(share(await score(detector, records(500, 2, {}, byMode)))).toBeLessThan(0.03);
    // Busy values in idle records, and the reverse.
    const swapped = records(500, 2, {}, (values, i) => modeOf(i) === 'idle' && (values[1]! += 20));
    expect(share(await score(detector, swapped))).toBeGreaterThan(0.95);
    disposeModel(model);
  }, 60_000);

  test.each<[string, (values: Float64Array, i: number) => void]>([
    ['constant', (values) => (values[2] = 7)],
    ['always missing', (values) => (values[2] = NaN)],
    ['missing in nine of ten records', (values, i) => i % 10 !== 3 && (values[2] = NaN)],
    ['infinite once', (values, i) => i === 20 && (values[2] = Infinity)],
  ])(
    'with a channel that is %s, find a spike of another one',
    async (_name, disturb) => {
      const { state, model } = await trainOn(records(120, 3, {}, disturb));
      const detector = createDetector('v', state, model, table);
      const data = records(200, 4, {}, (values, i) => {
        if (i !== 20) disturb(values, i);
        if (i === 150) values[0]! += 10;
      });
      const { aboveBaseline } = await score(detector, data);
      expect(aboveBaseline.every(Number.isFinite)).toBe(true);
      const at = data.ends.indexOf(150);
      expect(aboveBaseline[at]!).toBeGreaterThan(threshold);
      expect(aboveBaseline.slice(0, at).filter((s) => s >= threshold).length).toBeLessThan(0.1 * at);
      disposeModel(model);
    },
    60_000,
  );

  test('of one channel, and of two hundred, are enough', async () => {
    for (const channels of [1, 200]) {
      const { state, model } = await trainOn(records(100, 5, { channels }));
      const detector = createDetector('v', state, model, table);
      const data = records(60, 6, { channels }, (values, i) => i === 50 && values.fill(12));
      const { aboveBaseline } = await score(detector, data);
      expect(aboveBaseline[data.ends.indexOf(50)]!).toBeGreaterThan(threshold);
      disposeModel(model);
    }
  }, 60_000);

  test('in windows that are too long for them are refused with the number of windows that calibrate', async () => {
    await expect(trainOn(records(100, 7, { length: 40 }))).rejects.toMatchObject({
      reason: 'too_few_records',
      message: expect.stringContaining(
        'the newest 50 % of the history, which calibrates, has 0 windows',
      ) as string,
    });
  });
});
