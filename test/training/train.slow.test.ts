import { decodeBundle, encodeBundle, type Files } from '../../src/scoring/bundle';
import type { Golden } from '../../src/scoring/golden';
import { createDetector, type Detector, type Scores } from '../../src/scoring/detector';
import { createCategoryTable, type CategoryTable } from '../../src/domain/condition';
import { statisticNames } from '../../src/domain/detection';
import { createRecordBatch } from '../../src/domain/record';
import { createWindowBatch } from '../../src/domain/window';
import type { ModelVersionError } from '../../src/errors';
import { TrainingError } from '../../src/errors';
import { disposeModel } from '../../src/models/model';
import { openSession } from '../../src/onnx/session';
import { tf } from '../../src/tensor';
import { createDatasetBuilder, type Dataset } from '../../src/training/dataset';
import { collapsedLevels } from '../../src/training/report';
import { train } from '../../src/training/train';
import { type TrainingOptions } from '../../src/training/options';
import { createDataset, createRecords, options, schema, shape, stepMs, toDataset } from '../models/synthetic';
import { openTestBackend } from '../backend';

type Trained = Awaited<ReturnType<typeof train>>;

let dataset: Dataset;
let table: CategoryTable;
let trained: Trained;
let detector: Detector;
let files: Files;

function windowsOf(data: Dataset, ends: ArrayLike<number> = data.ends): ReturnType<typeof createWindowBatch> {
  const batch = createWindowBatch(data.shape, ends.length);
  for (const end of Array.from(ends)) data.copy(end, batch);
  return batch;
}

/** Scores of all windows of a dataset of one device, with what the detector remembers of it. */
async function scoreInOrder(of: Detector, data: Dataset): Promise<Scores> {
  const batch = windowsOf(data);
  const memory = of.createMemories({ maxKeys: 1 }).of('');
  const { channels } = data.shape;
  let place = 0;
  for (let row = 0; row < data.timestamps.length; row++) {
    memory.enter(data.values, row * channels, data.timestamps[row]!);
    if (data.ends[place] === row) memory.recall(batch, place++);
  }
  return of.score(batch, () => memory);
}

beforeAll(async () => {
  await openTestBackend('wasm');
  ({ dataset, table } = createDataset(3000, 1));
  trained = await train(dataset, table, options);
  detector = createDetector('v1', trained.state, trained.model, table);
  files = await encodeBundle(trained, windowsOf(dataset, dataset.ends.slice(0, 4)), table);
}, 60_000);

afterAll(() => {
  disposeModel(trained.model);
  expect(tf.memory().numTensors).toBe(0);
});

test('the surprise of normal records is calibrated: few above 2, and half below 0.3', async () => {
  const { batch } = createRecords(2000, 2, table);
  const { surprise, count } = await detector.score(windowsOf(toDataset(batch)));
  const share = (limit: number): number => surprise.filter((s) => s > limit).length / count;
  expect(share(2)).toBeLessThan(0.03);
  expect(share(Math.log10(2))).toBeGreaterThan(0.3);
  expect(share(Math.log10(2))).toBeLessThan(0.7);
});

test.each([
  ['a spike', (values: Float64Array) => (values[2]! += 8), 'temperature'],
  ['a broken relation', (values: Float64Array) => (values[1]! += 3), 'current'],
])('%s is found, and its channel is named first', async (_, disturb, channel) => {
  const { batch } = createRecords(600, 3, table, (values, i) => {
    if (i >= 300 && i < 320) disturb(values);
  });
  const data = toDataset(batch);
  const scores = await detector.score(
    windowsOf(
      data,
      data.ends.filter((end) => end >= 304 && end < 320),
    ),
  );
  expect(scores.surprise.filter((s) => s > 3).length / scores.count).toBeGreaterThan(0.9);
  const first = Array.from({ length: scores.count }, (_, i) => scores.contributions(i)[0]!.channel);
  expect(first.filter((name) => name === channel).length / first.length).toBeGreaterThan(0.8);
});

test('a sensor that repeats a normal value is found with its repetitions', async () => {
  const { batch } = createRecords(600, 3, table, (values, i) => {
    if (i >= 300 && i < 580) values[3] = 0.041234567;
  });
  const data = toDataset(batch);
  const { surprise, contributions } = await scoreInOrder(detector, data);
  const frozen = Array.from(data.ends, (end, i) => ({ end, i })).filter(({ end }) => end >= 560 && end < 580);
  expect(frozen.filter(({ i }) => surprise[i]! > 3).length / frozen.length).toBeGreaterThan(0.9);
  expect(contributions(frozen[8]!.i)[0]).toMatchObject({ channel: 'vibration', repeats: 3 });
});

test('a value that is normal in one mode is surprising in the other', async () => {
  const { batch } = createRecords(600, 4, table, (values, i) => {
    if (i >= 310 && i < 330) values[3] = 0.9;
  });
  const data = toDataset(batch);
  const scores = await detector.score(
    windowsOf(
      data,
      data.ends.filter((end) => end >= 314 && end < 330),
    ),
  );
  expect(Math.floor(314 / 50) % 2).toBe(0);
  expect(scores.surprise.filter((s) => s > 2).length / scores.count).toBeGreaterThan(0.9);
});

test('the score of a window is the same to the bit in every batch', async () => {
  const whole = (await detector.score(windowsOf(dataset, dataset.ends.slice(0, 300)))).surprise;
  const alone: number[] = [];
  for (const end of dataset.ends.slice(0, 300))
    alone.push((await detector.score(windowsOf(dataset, [end]))).surprise[0]!);
  expect(alone).toEqual(Array.from(whole));
});

test('a seed determines the model', async () => {
  const short = { ...options, epochs: 2 };
  const weights = async (seed: number): Promise<string> => {
    const again = await train(dataset, table, { ...short, seed });
    const text = JSON.stringify([...again.model.weights.values()].map((v) => Array.from(v.dataSync())));
    disposeModel(again.model);
    return text;
  };
  const first = await weights(1);
  expect(await weights(1)).toBe(first);
  expect(await weights(2)).not.toBe(first);
});

test('a stored and loaded version has the same scores, also if categories have other codes', async () => {
  const other = createCategoryTable();
  other.code('something that came first here');
  const loaded = await decodeBundle('v2', files, other);
  const expected = (await detector.score(windowsOf(dataset))).surprise;
  const again = toDataset(createRecords(3000, 1, other).batch);
  expect(Array.from((await loaded.score(windowsOf(again))).surprise)).toEqual(Array.from(expected));
  loaded.dispose();
});

test('an unknown category is scored with the unknown token, and counted', async () => {
  const batch = windowsOf(dataset, dataset.ends.slice(0, 2));
  batch.conditions.fill(table.code('never seen'));
  const scores = await detector.score(batch);
  expect(scores.unknownConditions).toBe(2);
  expect(Array.from(scores.surprise).every(Number.isFinite)).toBe(true);
});

test('values at the edge of float32 and missing values have finite scores', async () => {
  const batch = windowsOf(dataset, dataset.ends.slice(0, 2));
  batch.values[0] = 3e38;
  batch.values[1] = -3e38;
  batch.values.fill(NaN, 16);
  const { surprise } = await detector.score(batch);
  expect(surprise[0]).toBeGreaterThan(3);
  expect(Array.from(surprise).every(Number.isFinite)).toBe(true);
});

test('contributions sum to the reconstruction statistic', async () => {
  const scores = await detector.score(windowsOf(dataset, dataset.ends.slice(0, 3)));
  const sum = scores.contributions(1).reduce((total, { contribution }) => total + contribution, 0);
  expect(sum).toBeCloseTo(scores.statistics['reconstruction']![1]!, 3);
});

test('the report describes the training', () => {
  const { report } = trained;
  expect(report.records).toBe(3000);
  expect(report.windows.fit + report.windows.validation + report.windows.calibration).toBeGreaterThan(2980);
  expect(report.windows.calibration / 2997).toBeCloseTo(0.3, 1);
  expect(report.latentDims).toEqual([3]);
  expect(report.activeUnitsPerLevel[0]).toBeGreaterThan(0);
  expect(collapsedLevels(report)).toEqual([]);
  expect(report.validationLoss).toBeLessThan(0);
  expect(report.skippedSteps).toBe(0);
});

test('too few windows are refused with both numbers', async () => {
  const small = createDataset(60, 1);
  const attempt = train(small.dataset, small.table, options);
  await expect(attempt).rejects.toThrow(TrainingError);
  await expect(attempt).rejects.toThrow('57 complete windows of 4 records, but training.minRecords is 100');
});

test('a loss that is never finite ends in an error and leaks nothing', async () => {
  const { numTensors } = tf.memory();
  const { batch } = createRecords(400, 1, createCategoryTable());
  const wild = toDataset(batch);
  const attempt = train(wild, table, { ...options, learningRate: 1e38, epochs: 3 });
  await expect(attempt).rejects.toMatchObject({ reason: 'diverged' });
  expect(tf.memory().numTensors).toBe(numTensors);
});

describe('a version is refused', () => {
  const reasonOf = async (change: Partial<Record<string, Uint8Array>>): Promise<string> => {
    const changed = new Map([...files, ...(Object.entries(change) as [string, Uint8Array][])]);
    for (const [name, bytes] of Object.entries(change)) if (bytes === undefined) changed.delete(name);
    const { numTensors } = tf.memory();
    try {
      (await decodeBundle('v3', changed, table)).dispose();
    } catch (error) {
      expect(tf.memory().numTensors).toBe(numTensors);
      return (error as ModelVersionError).reason;
    }
    return 'accepted';
  };

  test('when a file is missing', async () =>
    expect(await reasonOf({ 'golden.json': undefined })).toBe('missing_file'));
  test('when it is no JSON', async () =>
    expect(await reasonOf({ 'model.json': Buffer.from('{') })).toBe('unreadable'));
  test('when it has no golden records', async () => {
    expect(await reasonOf({ 'golden.json': Buffer.from('{"windows":[]}') })).toBe('golden');
    expect(await reasonOf({ 'golden.json': Buffer.from('{}') })).toBe('golden');
  });
  test.each([{ hidden: [200_000, 200_000] }, { latentDim: 1e9 }, { levels: [1e9, 1] }])(
    'when its model would have the size %j',
    async (size) => {
      const state = { ...trained.state, spec: { ...trained.state.spec, ...size } };
      expect(await reasonOf({ 'model.json': Buffer.from(JSON.stringify(state)) })).toBe('unreadable');
    },
  );
  test('when its JSON is nested deeply, null, or of another kind', async () => {
    const deep = Buffer.from('['.repeat(1e6) + ']'.repeat(1e6));
    for (const text of [deep, Buffer.from('null'), Buffer.from('{"spec":{"kind":"vae"}}')])
      expect(await reasonOf({ 'model.json': text })).toBe('unreadable');
  });
  test.each([0xffffffffffffffffn, 99_999_999n])(
    'when its tensors state a header of %s bytes',
    async (size) => {
      const weights = Buffer.from(files.get('weights.safetensors')!);
      weights.writeBigUInt64LE(size);
      expect(await reasonOf({ 'weights.safetensors': weights })).toBe('unreadable');
    },
  );
  test('when the weights are cut', async () =>
    expect(await reasonOf({ 'weights.safetensors': files.get('weights.safetensors')!.slice(0, -4) })).toBe(
      'unreadable',
    ));
  test('when one weight is another', async () => {
    const weights = Buffer.from(files.get('weights.safetensors')!);
    weights.writeFloatLE(3, weights.length - 400);
    expect(await reasonOf({ 'weights.safetensors': weights })).toBe('golden');
  });
  test.each(['tail', 'aboveBaseline'] as const)(
    'when the %s of its calibration would hide anomalies, although normal records score as before',
    async (name) => {
      const state = structuredClone(trained.state);
      state.calibration[name].scale *= 2;
      const other = createDetector('v', state, trained.model, table);
      const batch = windowsOf(dataset, dataset.ends.slice(0, 4));
      expect((await other.score(batch)).surprise).toEqual((await detector.score(batch)).surprise);
      expect(await reasonOf({ 'model.json': Buffer.from(JSON.stringify(state)) })).toBe('golden');
    },
  );
  test('when its golden records have no anomaly that it finds, although it gives them these scores', async () => {
    const { windows } = JSON.parse(Buffer.from(files.get('golden.json')!).toString()) as Golden;
    const normal = windows.filter(({ anomaly }) => !anomaly);
    expect(normal.length).toBeGreaterThan(0);
    expect(await reasonOf({ 'golden.json': Buffer.from(JSON.stringify({ windows: normal })) })).toBe(
      'golden',
    );
  });
  test('but not where its deadbands are far beyond the scale of its channels', async () => {
    const signals = schema.channels.map((channel) => ({ channel, direction: 'up', deadband: 1e4 }) as const);
    const wide = await train(dataset, table, { ...options, epochs: 1, signals });
    const made = await encodeBundle(wide, windowsOf(dataset, dataset.ends.slice(0, 4)), table);
    const loaded = await decodeBundle('v', made, table);
    expect(loaded.reach).toBeGreaterThan(3);
    loaded.dispose();
    disposeModel(wide.model);
  });
  test('and accepted as it is', async () => expect(await reasonOf({})).toBe('accepted'));
});

describe('the graph of a version', () => {
  let other: Trained;

  beforeAll(async () => {
    other = await train(dataset, table, { ...options, seed: 7, epochs: 1 });
  });
  afterAll(() => disposeModel(other.model));

  test('scores as tfjs does in every batch, and is used if an engine for graphs is available', async () => {
    const traced = await decodeBundle('v', files, table, openSession);
    expect(traced.engine).toBe('onnxruntime');
    const batch = windowsOf(dataset, dataset.ends.slice(0, 300));
    const [expected, actual] = [await detector.score(batch), await traced.score(batch)];
    for (const name of ['reconstruction', 'balanced', 'latent', 'newest', 'linear']) {
      const [here, there] = [expected.statistics[name]!, actual.statistics[name]!];
      for (let i = 0; i < batch.count; i++)
        expect(Math.abs(there[i]! - here[i]!) / Math.max(1, Math.abs(here[i]!))).toBeLessThan(1e-4);
    }
    const alone = await traced.score(windowsOf(dataset, [dataset.ends[7]!]));
    expect(alone.surprise[0]).toBe(actual.surprise[7]);
    traced.dispose();
  });

  test('imputes missing values as tfjs does', async () => {
    const traced = await decodeBundle('v', files, table, openSession);
    const batch = windowsOf(dataset, dataset.ends.slice(0, 20));
    for (let i = 0; i < batch.values.length; i += 7) batch.values[i] = NaN;
    const [expected, actual] = [await detector.score(batch), await traced.score(batch)];
    for (let i = 0; i < 20; i++)
      expect(actual.statistics['reconstruction']![i]).toBeCloseTo(
        expected.statistics['reconstruction']![i]!,
        2,
      );
    traced.dispose();
  });

  test('of another model, or a damaged one, refuses the version', async () => {
    const strange = new Map([...files, ['score.onnx', other.graph!]]);
    await expect(decodeBundle('v', strange, table, openSession)).rejects.toMatchObject({ reason: 'golden' });
    const cut = new Map([...files, ['score.onnx', files.get('score.onnx')!.slice(0, -100)]]);
    await expect(decodeBundle('v', cut, table, openSession)).rejects.toMatchObject({ reason: 'unreadable' });
    for (const garbage of ['not onnx', '', '\0'.repeat(10_000)]) {
      const version = new Map([...files, ['score.onnx', Buffer.from(garbage)]]);
      await expect(decodeBundle('v', version, table, openSession)).rejects.toMatchObject({
        reason: 'unreadable',
      });
    }
  });

  test('may have a value on the other side of an adjacent calibration score', async () => {
    const atEdge = structuredClone(trained.state);
    const batch = windowsOf(dataset, dataset.ends.slice(0, 4));
    const raw = await detector.assess(batch);
    atEdge.channelCalibrations = atEdge.channelCalibrations.map((state, channel) => {
      const beside = Array.from({ length: 4 }, (_, i) => raw.contributions[i * shape.channels + channel]!);
      const scores = [...state.scores.slice(4), ...beside].sort((a, b) => a - b);
      return { ...state, scores };
    });
    const made = await encodeBundle({ ...trained, state: atEdge }, batch, table, openSession);
    (await decodeBundle('v', made, table, openSession)).dispose();
  });

  test('may be absent: tfjs scores then', async () => {
    const without = new Map([...files].filter(([name]) => name !== 'score.onnx'));
    const loaded = await decodeBundle('v', without, table, openSession);
    expect(loaded.engine).toMatch(/^tfjs-/);
    loaded.dispose();
  });

  test('of a version that finds no anomaly is not stored', async () => {
    const blind = structuredClone(trained.state);
    const tail = blind.calibration.aboveBaseline;
    Object.assign(tail, { scores: tail.scores.map((score) => score + 1e6), foot: tail.foot + 1e6 });
    const golden = windowsOf(dataset, dataset.ends.slice(0, 4));
    await expect(encodeBundle({ ...trained, state: blind }, golden, table)).rejects.toMatchObject({
      reason: 'golden',
      message: expect.stringContaining('their largest surprise is 0.0') as string,
    });
  });

  test('that scores differently is not stored', async () => {
    const golden = windowsOf(dataset, dataset.ends.slice(0, 4));
    const mixed = { ...trained, graph: other.graph! };
    await expect(encodeBundle(mixed, golden, table, openSession)).rejects.toMatchObject({ reason: 'golden' });
  });
});

test('the score combines the configured statistics; the others are still reported', async () => {
  const other = await train(dataset, table, { ...options, epochs: 1, statistics: ['newest', 'linear'] });
  const scores = await createDetector('v2', other.state, other.model, table).score(windowsOf(dataset, [100]));
  expect(Object.keys(other.state.calibration.evidence)).toEqual(['newest', 'linear', 'linear-mean']);
  expect(Object.keys(scores.statistics).sort()).toEqual(
    statisticNames.filter((name) => !['llr', 'patch', 'bank'].includes(name)).sort(),
  );
  disposeModel(other.model);
});

test('each mode is calibrated separately with groupBy', async () => {
  const version = await train(dataset, table, { ...options, epochs: 5, groupBy: 'mode' });
  expect(Object.keys(version.state.calibration.groups!).sort()).toEqual(['busy', 'idle']);
  const by = createDetector('v', version.state, version.model, table);
  const { batch } = createRecords(2000, 2, table);
  const data = toDataset(batch);
  const { surprise } = await scoreInOrder(by, data);
  for (const mode of ['busy', 'idle']) {
    const own = [...data.ends].flatMap((end, i) =>
      table.value(data.conditions[end]!) === mode ? [surprise[i]!] : [],
    );
    expect(own.length).toBeGreaterThan(500);
    expect(own.filter((s) => s > 2).length / own.length).toBeLessThan(0.03);
  }
  by.dispose();
});

describe('signals', () => {
  const at = 300;
  /** Share of the records of a fault in `current` with a surprise above 3, by the size of the fault. */
  async function foundShares(
    signals: TrainingOptions['signals'],
    sizes: readonly number[],
  ): Promise<number[]> {
    const version = await train(dataset, table, { ...options, epochs: 25, signals });
    const by = createDetector('v', version.state, version.model, table);
    const shares: number[] = [];
    for (const size of sizes) {
      const { batch } = createRecords(600, 3, table, (values, i) => {
        if (i >= at && i < at + 20) values[1]! += size;
      });
      const data = toDataset(batch);
      const ends = data.ends.filter((end) => end >= at + 4 && end < at + 20);
      const { surprise } = await by.score(windowsOf(data, ends));
      shares.push(surprise.filter((s) => s > 3).length / surprise.length);
    }
    by.dispose();
    return shares;
  }

  test('a deviation in the direction that does not count is not found, one in the other is', async () => {
    const up = [{ channel: 'current', direction: 'up', deadband: 0 }] as const;
    const [above, below] = await foundShares(up, [3, -3]);
    expect(above).toBeGreaterThan(0.9);
    expect(below).toBeLessThan(0.2);
    const [without] = await foundShares([], [-3]);
    expect(without).toBeGreaterThan(0.9);
  }, 60_000);

  test('a deviation within the deadband is not found', async () => {
    const [within] = await foundShares([{ channel: 'current', direction: 'both', deadband: 4 }], [3]);
    expect(within).toBeLessThan(0.2);
  }, 60_000);
});

describe('a channel', () => {
  const change = (values: (i: number) => number) => (row: Float64Array, i: number) => {
    row[3] = values(i);
  };
  async function trainWith(values: (i: number) => number): Promise<Detector> {
    const { batch } = createRecords(1500, 1, table, change(values));
    const version = await train(toDataset(batch), table, { ...options, epochs: 20 });
    return createDetector('v', version.state, version.model, table);
  }
  function score(by: Detector, values: (i: number) => number): ReturnType<Detector['score']> {
    return by.score(windowsOf(toDataset(createRecords(500, 5, table, change(values)).batch)));
  }
  const odd = ({ surprise, count }: Scores): number => surprise.filter((s) => s > 3).length / count;

  test('without any value in training does not affect the score', async () => {
    const by = await trainWith(() => NaN);
    expect(by.state.scaler.count).toEqual([expect.any(Number), expect.any(Number), expect.any(Number), 0]);
    const silent = await score(by, () => NaN);
    expect(Array.from((await score(by, (i) => 1e6 + i)).surprise)).toEqual(Array.from(silent.surprise));
    expect(odd(silent)).toBeLessThan(0.02);
    by.dispose();
  }, 60_000);

  test('that was constant is found only after it changes by 1 %', async () => {
    const by = await trainWith(() => 50);
    expect(odd(await score(by, () => 50))).toBeLessThan(0.02);
    const moved = await score(by, (i) => (i < 250 ? 50 : 50.5 + (i % 2) / 1000));
    expect(moved.surprise.slice(0, 200).filter((s) => s > 3).length).toBeLessThan(4);
    expect(moved.surprise.slice(260).filter((s) => s > 3).length / (moved.count - 260)).toBeGreaterThan(0.9);
    expect(moved.contributions(400)[0]!.channel).toBe('vibration');
    by.dispose();
  }, 60_000);

  test('that is missing makes no record anomalous and hides no other channel', async () => {
    const gone = (row: Float64Array): void => {
      row[1] = NaN;
    };
    const calm = createRecords(500, 5, table, gone);
    expect(odd(await detector.score(windowsOf(toDataset(calm.batch))))).toBeLessThan(0.02);
    const hot = createRecords(500, 5, table, (row, i) => {
      gone(row);
      if (i >= 300 && i < 320) row[2]! += 8;
    });
    const data = toDataset(hot.batch);
    const ends = data.ends.filter((end) => end >= 304 && end < 320);
    expect(odd(await detector.score(windowsOf(data, ends)))).toBeGreaterThan(0.9);
  });
});

test('with filled gaps and padded windows, normal records alarm no more often than the target', async () => {
  /** Of every 40 records one is lost, and after it, now and then, the key is silent for an hour. */
  const withGaps = (count: number, seed: number): Dataset => {
    const { batch } = createRecords(count, seed, table);
    const builder = createDatasetBuilder({ channels: 4, conditions: 1, length: 3 });
    const kept = createRecordBatch(schema, count);
    for (let i = 0; i < count; i++) {
      if (i % 40 === 17) continue;
      const to = kept.count++;
      kept.keys[to] = 'pump-1';
      kept.timestamps[to] = batch.timestamps[i]! + Math.floor(i / 120) * 3_600_000;
      kept.values.set(batch.values.subarray(4 * i, 4 * i + 4), 4 * to);
      kept.conditions[to] = batch.conditions[i]!;
    }
    builder.add(kept);
    return builder.build(shape, {
      time: { ttlMs: 60_000, intervalMs: stepMs, gaps: 'fill', padding: 'missing' },
      exclude: [],
      maxExcludedShare: 0.5,
      limits: () => [],
    });
  };
  const past = withGaps(3000, 1);
  expect(past.ends).toHaveLength(past.records);
  const version = await train(past, table, { ...options, epochs: 25 });
  const now = withGaps(2000, 2);
  const { surprise, count } = await createDetector('v', version.state, version.model, table).score(
    windowsOf(now),
  );
  disposeModel(version.model);
  expect(surprise.filter((s) => s > 2).length / count).toBeLessThan(0.03);
}, 60_000);
