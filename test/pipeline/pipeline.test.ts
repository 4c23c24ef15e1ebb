import fc from 'fast-check';
import { UnavailableError } from '../../src/errors';
import type { DecodeBatch } from '../../src/codecs/codec';
import type { SignalSpec } from '../../src/domain/signal';
import {
  allOf,
  createSimpleDetector,
  createTestPipeline,
  createTestSink,
  deliver,
  message,
  now,
  offsetsOf,
} from './harness';

describe('a record with a full window', () => {
  test('yields a detection with all fields', async () => {
    const { handle, sink } = createTestPipeline();
    await deliver(handle, [
      message(0, { time: 1 }),
      message(1, { time: 2, surprise: 6 }),
      message(2, { time: 3 }),
    ]);
    expect(allOf(sink).detections).toEqual([
      {
        detector: 'plant',
        key: 'a',
        timestamp: 2,
        origin: { topic: 't', partition: 0, offset: '1' },
        surprise: 6,
        threshold: 3,
        targetThreshold: 3,
        anomalous: true,
        extrapolated: true,
        limits: [],
        statistics: { latent: 60 },
        contributions: [
          { channel: 'channel', contribution: 6, actual: 101, expected: 0, surprise: 3, repeats: 0 },
        ],
        modelVersion: 'v1',
      },
      expect.objectContaining({ timestamp: 3, anomalous: false, extrapolated: false, contributions: [] }),
    ]);
  });

  test('is explained where an anomaly begins, while the budget lasts', async () => {
    const surprises = [0, 4, 4.5, 0, 4];
    const explainedWith = async (explanationMs: number): Promise<string> => {
      const { handle, sink } = createTestPipeline({ explanationMs });
      await deliver(
        handle,
        surprises.map((surprise, i) => message(i, { time: i, surprise })),
      );
      return allOf(sink)
        .detections.map(({ nearestNormal }) => (nearestNormal === undefined ? '-' : '!'))
        .join('');
    };
    expect(await explainedWith(1000)).toBe('!--!');
    expect(await explainedWith(1e-9)).toBe('!---');
    expect(await explainedWith(0)).toBe('----');
  });

  test('is anomalous if its surprise reaches the threshold', async () => {
    const { handle, sink } = createTestPipeline();
    const surprises = [0, 2.999, 3, 3.001];
    await deliver(
      handle,
      surprises.map((surprise, i) => message(i, { time: i, surprise })),
    );
    expect(allOf(sink).detections.map(({ anomalous }) => anomalous)).toEqual([false, true, true]);
  });

  test('is scored with the window of its own key', async () => {
    const { handle, sink } = createTestPipeline();
    const keys = ['a', 'b', 'a', 'c', 'b'];
    await deliver(
      handle,
      keys.map((key, i) => message(i, { key, time: i, surprise: i / 10 })),
    );
    expect(allOf(sink).detections).toMatchObject([
      { key: 'a', surprise: 0.2, origin: { offset: '2' } },
      { key: 'b', surprise: 0.4, origin: { offset: '4' } },
    ]);
  });

  test('keeps its own score in a batch of several chunks', async () => {
    const { handle, sink } = createTestPipeline();
    const messages = Array.from({ length: 2500 }, (_, i) => message(i, { time: i, surprise: i / 1000 }));
    await deliver(handle, messages);
    const { detections } = allOf(sink);
    expect(offsetsOf(detections)).toEqual(Array.from({ length: 2499 }, (_, i) => i + 1));
    detections.forEach(({ surprise, origin }) =>
      expect(surprise).toBeCloseTo(Number(origin.offset) / 1000, 12),
    );
  });
});

test('every message has exactly one outcome', async () => {
  const { handle, sink, counts } = createTestPipeline();
  await deliver(handle, [
    message(0, { time: 1 }, true),
    message(1, 'rubbish', true),
    message(2, { time: 2 }),
    message(3, 'rubbish'),
    message(4, { key: 'b', time: 2 }),
    message(5, { time: 2 }),
    message(6, { time: 1 }),
    message(7, { time: now + 1001 }),
    message(8, { time: 3 }),
  ]);
  const { detections, deadLetters } = allOf(sink);
  expect(offsetsOf(detections)).toEqual([2, 8]);
  expect(offsetsOf(deadLetters)).toEqual([3, 5, 6, 7]);
  expect(counts()).toEqual({ consumed: 9, scored: 2, windowNotFull: 1, warmUps: 2, rejected: 4, opened: 0 });
});

test('a refused message becomes a dead letter with reason, origin, key and value', async () => {
  const { handle, sink, argumentsOf } = createTestPipeline();
  await deliver(handle, [
    message(0, { time: 2 }),
    message(1, { time: 2 }),
    message(2, { time: 1 }),
    message(3, ''),
    { ...message(4, ''), value: null },
    message(5, 'x'.repeat(1001)),
  ]);
  const { deadLetters } = allOf(sink);
  const time = (ms: number) => new Date(ms).toISOString();
  expect(deadLetters.map(({ reason, message: text }) => `${reason}: ${text}`)).toEqual([
    `duplicate: key "a" already has a record at ${time(2)}`,
    `out_of_order: key "a" already has a record after ${time(1)}`,
    'empty: the message has no value',
    'empty: the message has no value',
    'too_large: the message has 1001 bytes, more than record.maxBytes (1000)',
  ]);
  expect(deadLetters[0]).toMatchObject({
    detector: 'plant',
    origin: { topic: 't', partition: 0, offset: '1' },
    key: Buffer.from('key-1'),
    value: message(1, { time: 2 }).value,
  });
  expect(deadLetters[3]!.value).toBeNull();
  expect(argumentsOf('rejected').map(([first]) => first)).toEqual(deadLetters.map(({ reason }) => reason));
});

test('ignored duplicates and late records are counted once, and are no dead letters', async () => {
  const { handle, sink, calls } = createTestPipeline({
    stale: { duplicate: 'ignore', out_of_order: 'ignore' },
  });
  const batch = [
    message(0, { time: 2 }),
    message(1, { time: 2 }),
    message(2, { time: 1 }),
    message(3, { time: 3 }),
  ];
  sink.refuse = 1;
  await expect(deliver(handle, batch)).rejects.toThrow();
  await deliver(handle, batch);
  expect(allOf(sink).deadLetters).toEqual([]);
  const sums: Record<string, number> = {};
  for (const { args } of calls.filter(({ name }) => name === 'ignored'))
    sums[String(args[0])] = (sums[String(args[0])] ?? 0) + Number(args[1]);
  expect(sums).toEqual({ duplicate: 1, out_of_order: 1 });
});

test('warm-up messages fill the windows and yield no detection', async () => {
  const { handle, sink, counts } = createTestPipeline();
  await deliver(handle, [
    message(0, { time: 1, surprise: 9 }, true),
    message(1, { time: 2, surprise: 9 }, true),
  ]);
  await deliver(handle, [message(2, { time: 3, surprise: 1 })]);
  expect(allOf(sink)).toMatchObject({ detections: [{ surprise: 1 }], events: [], deadLetters: [] });
  expect(counts()).toMatchObject({ warmUps: 2, windowNotFull: 0, scored: 1 });
});

test('events span batches, and are counted', async () => {
  const { handle, sink, counts, argumentsOf } = createTestPipeline();
  for (const [i, surprise] of [0, 9, 9, 9, 0, 0, 0].entries())
    await deliver(handle, [message(i, { time: i, surprise })]);
  expect(allOf(sink).events).toMatchObject([
    { status: 'open', start: 1, openedAt: 2 },
    { status: 'closed', start: 1, end: 3, anomalousRecords: 3 },
  ]);
  expect(counts().opened).toBe(1);
  const open = argumentsOf('eventsOpen').map(([first]) => first);
  expect(open).toEqual([0, 0, 1, 1, 1, 0, 0]);
});

describe('a record beyond a limit of a channel', () => {
  const limited: SignalSpec = {
    kind: 'auto',
    channel: 'channel',
    direction: 'both',
    deadband: 0,
    limits: { max: 101 },
  };

  test('is anomalous whatever the model reports, and names the limit', async () => {
    const { handle, sink, argumentsOf } = createTestPipeline({ signals: [limited] });
    await deliver(handle, [message(0, { time: 1 }), message(1, { time: 2 }), message(2, { time: 3 })]);
    const violation = { channel: 'channel', limit: 'max', bound: 101, actual: 102 };
    expect(allOf(sink).detections).toMatchObject([
      { surprise: 0, anomalous: false, limits: [] },
      {
        surprise: 300,
        anomalous: true,
        extrapolated: false,
        limits: [violation],
        statistics: { latent: 0 },
        contributions: [{ channel: 'channel', surprise: 300, actual: 102, expected: 0 }],
      },
    ]);
    const counted = argumentsOf('limitViolations').map(([first]) => first);
    expect(counted).toEqual([1]);
  });

  test('has the violated channel first and as surprising as can be, also where it is explained', async () => {
    const { handle, sink } = createTestPipeline({ signals: [limited], explanationMs: 1000 });
    await deliver(handle, [message(0, { time: 1 }), message(1, { time: 2 }), message(2, { time: 3 })]);
    const [, detection] = allOf(sink).detections;
    expect(detection).toMatchObject({
      surprise: 300,
      nearestNormal: { leftOut: ['channel'] },
      contributions: [
        { channel: 'channel', surprise: 300, actual: 102, expected: -2 },
        { channel: 'surprise', surprise: 3, expected: -1 },
      ],
    });
  });

  test('leads the event that it opens, also where it is explained', async () => {
    const { handle, sink } = createTestPipeline({ signals: [limited], explanationMs: 1000 });
    await deliver(
      handle,
      [0, 1, 2, 3].map((i) => message(i, { time: i })),
    );
    expect(allOf(sink).events).toMatchObject([
      { status: 'open', contributions: [{ channel: 'channel', surprise: 300 }, { channel: 'surprise' }] },
    ]);
  });

  test('yields a detection before its window is full, in the order of the records', async () => {
    const { handle, sink, counts } = createTestPipeline({ signals: [limited] });
    await deliver(handle, [
      message(0, { time: 1 }),
      message(5, { time: 1, key: 'b' }),
      message(6, { time: 2, key: 'b' }),
      message(7, { time: 2 }),
    ]);
    expect(allOf(sink).detections).toMatchObject([
      { key: 'b', timestamp: 1, anomalous: true, statistics: {}, contributions: [{ expected: NaN }] },
      { key: 'b', timestamp: 2, anomalous: true, statistics: { latent: 0 } },
      { key: 'a', timestamp: 2, anomalous: true },
    ]);
    expect(counts()).toMatchObject({ scored: 3, windowNotFull: 1 });
  });

  test('yields no detection as a warm-up message', async () => {
    const { handle, sink } = createTestPipeline({ signals: [limited] });
    await deliver(handle, [message(5, { time: 1 }, true)]);
    expect(allOf(sink).detections).toEqual([]);
  });
});

test('drift observes the scores; its metrics follow each batch, and onDrift is called while it is active', async () => {
  const { handle, active, argumentsOf, drifts } = createTestPipeline();
  const observed: [string, number][] = [];
  active.drift = {
    observe: (key, surprise) => void observed.push([key, surprise]),
    active: false,
    evidenceRatio: 0.25,
  };
  await deliver(handle, [
    message(0, { time: 1 }),
    message(1, { time: 2, surprise: 2 }),
    message(2, { time: 3 }),
  ]);
  expect(observed).toEqual([
    ['a', 2],
    ['a', 0],
  ]);
  expect(drifts).toHaveLength(0);
  active.drift = { ...active.drift, active: true, evidenceRatio: 1 };
  await deliver(handle, [message(3, { time: 4 })]);
  expect(drifts).toHaveLength(1);
  expect(argumentsOf('drift')).toEqual([
    [0.25, false],
    [1, true],
  ]);
});

test('unknown conditions are counted', async () => {
  const { handle, calls } = createTestPipeline();
  await deliver(handle, [
    message(0, { time: 1 }),
    message(1, { time: 2 }),
    message(2, { time: 3, mode: 'idle' }),
  ]);
  expect(calls.filter(({ name }) => name === 'unknownConditions')).toMatchObject([{ args: [1] }]);
});

test('lag and keys are measured after each batch, an empty one included', async () => {
  const { handle, argumentsOf } = createTestPipeline();
  await deliver(handle, [], 3, 17);
  await deliver(handle, [message(0, { time: 1 }), message(1, { key: 'b', time: 1 })], 3);
  expect(argumentsOf('lag')).toEqual([
    ['t', 3, 17],
    ['t', 3, undefined],
  ]);
  expect(argumentsOf('windowKeys')).toEqual([[0], [2]]);
});

test('a new model version scores from the next batch on, with the same windows', async () => {
  const { handle, sink, active } = createTestPipeline();
  await deliver(handle, [message(0, { time: 1 }), message(1, { time: 2, surprise: 4 })]);
  Object.assign(active, { detector: createSimpleDetector('v2'), threshold: 5 });
  await deliver(handle, [message(2, { time: 3, surprise: 4 })]);
  expect(allOf(sink).detections).toMatchObject([
    { modelVersion: 'v1', threshold: 3, anomalous: true },
    { modelVersion: 'v2', threshold: 5, anomalous: false },
  ]);
});

describe('a batch that a sink refuses', () => {
  const batch = [
    message(0, { time: 1 }),
    message(1, { time: 2, surprise: 9 }),
    message(2, 'rubbish'),
    message(3, { time: 3, surprise: 9 }),
    message(4, { time: 3 }),
    message(5, { time: 4 }),
  ];
  const more = message(6, { time: 5 });

  test('handling rejects with sink and cause, and nothing is counted', async () => {
    const { handle, sink, counts, calls } = createTestPipeline();
    sink.refuse = 1;
    await expect(deliver(handle, batch)).rejects.toMatchObject({
      message: 'sink test did not accept the batch',
      cause: { message: 'disk is full' },
    });
    expect(counts()).toEqual({
      consumed: 0,
      scored: 0,
      windowNotFull: 0,
      warmUps: 0,
      rejected: 0,
      opened: 0,
    });
    expect(calls).toContainEqual({ name: 'sinkError', args: ['test'] });
  });

  test.each([
    ['unchanged', [batch]],
    ['with another record appended', [[...batch, more]]],
    ['cut in two', [batch.slice(0, 2), batch.slice(2)]],
    ['record by record', batch.map((one) => [one])],
  ])('the same detections are written once if it is redelivered %s', async (_, redelivery) => {
    const calm = createTestPipeline();
    const shaken = createTestPipeline();
    await deliver(calm.handle, batch);
    await deliver(calm.handle, [more]);

    shaken.sink.refuse = 1;
    await expect(deliver(shaken.handle, batch)).rejects.toThrow();
    for (const messages of redelivery) await deliver(shaken.handle, messages);
    if (!redelivery.flat().includes(more)) await deliver(shaken.handle, [more]);

    expect(allOf(shaken.sink)).toEqual(allOf(calm.sink));
    const { consumed, warmUps, ...rest } = shaken.counts();
    expect(rest).toEqual({ scored: 4, windowNotFull: 1, rejected: 2, opened: 1 });
    expect(consumed).toBe(7 + warmUps);
  });

  test('its detections are of the version that scored it, even if another is in use at redelivery', async () => {
    const { handle, sink, active } = createTestPipeline();
    sink.refuse = 1;
    await expect(deliver(handle, batch)).rejects.toThrow();
    Object.assign(active, { detector: createSimpleDetector('v2'), threshold: 100 });
    await deliver(handle, [...batch, more]);
    const versions = allOf(sink).detections.map(
      ({ modelVersion, threshold }) => `${modelVersion} ${threshold}`,
    );
    expect(versions).toEqual(['v1 3', 'v1 3', 'v1 3', 'v2 100']);
  });

  test('a sink that took it does not receive it again', async () => {
    const other = createTestSink('other');
    const { handle, sink } = createTestPipeline({ sinks: [other] });
    sink.refuse = 2;
    await expect(deliver(handle, batch)).rejects.toThrow('sink test did not accept');
    await expect(deliver(handle, batch)).rejects.toThrow('sink test did not accept');
    await deliver(handle, batch);
    expect(allOf(other)).toEqual(allOf(sink));
    expect(allOf(other).detections).toHaveLength(3);
  });

  test('all sinks receive it, and the error names all that failed', async () => {
    const other = createTestSink('other');
    const { handle, sink } = createTestPipeline({ sinks: [other] });
    sink.refuse = 1;
    other.refuse = 1;
    await expect(deliver(handle, batch)).rejects.toMatchObject({
      errors: [{ message: expect.stringContaining('test') }, { message: expect.stringContaining('other') }],
    });
  });

  test('another partition continues', async () => {
    const { handle, sink } = createTestPipeline();
    sink.refuse = 1;
    await expect(deliver(handle, batch)).rejects.toThrow();
    const others = [message(0, { key: 'z', time: 1 }), message(1, { key: 'z', time: 2 })];
    await deliver(handle, others, 1);
    expect(allOf(sink).detections).toMatchObject([{ key: 'z' }]);
    await deliver(handle, batch);
    expect(allOf(sink).detections.map(({ key }) => key)).toEqual(['z', 'a', 'a', 'a']);
  });
});

test('processed but uncommitted records are no dead letters on redelivery', async () => {
  const { handle, sink, counts } = createTestPipeline();
  const messages = [0, 1, 2, 3].map((i) => message(i, { time: i }));
  await deliver(handle, [...messages, message(4, 'rubbish')]);
  await deliver(handle, messages.slice(1, 3));
  await deliver(handle, [...messages.slice(3), message(4, 'rubbish'), message(5, { time: 5 })]);
  expect(offsetsOf(allOf(sink).detections)).toEqual([1, 2, 3, 5]);
  expect(offsetsOf(allOf(sink).deadLetters)).toEqual([4]);
  expect(counts()).toMatchObject({ consumed: 10, scored: 4, windowNotFull: 1, warmUps: 4, rejected: 1 });
});

test('every sink gets every detection once, whichever writes fail and however batches are cut', async () => {
  const record = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        key: fc.constantFrom('a', 'b', 'c'),
        step: fc.constant(1),
        surprise: fc.constantFrom(0, 1, 9),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        key: fc.constantFrom('a', 'b'),
        step: fc.constantFrom(0, -2),
        surprise: fc.constant(0),
      }),
    },
    { weight: 1, arbitrary: fc.constant('rubbish') },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 40 }),
      fc.infiniteStream(
        fc.record({
          size: fc.integer({ min: 1, max: 8 }),
          refuse: fc.constantFrom('', '', 'test', 'other', 'both'),
          commits: fc.boolean(),
        }),
      ),
      async (given, steps) => {
        let time = 10;
        const messages = given.map((one, i) =>
          message(i, typeof one === 'string' ? one : { ...one, time: (time += one.step) }),
        );
        const calm = createTestPipeline();
        await deliver(calm.handle, messages);

        const other = createTestSink('other');
        const { handle, sink, counts } = createTestPipeline({ sinks: [other] });
        let committed = 0;
        for (const { size, refuse, commits } of steps) {
          sink.refuse = refuse === 'test' || refuse === 'both' ? 1 : 0;
          other.refuse = refuse === 'other' || refuse === 'both' ? 1 : 0;
          const batch = messages.slice(committed, committed + size);
          const handled = await deliver(handle, batch).then(
            () => true,
            () => false,
          );
          // A commit may be lost: then processed records are redelivered.
          if (handled && commits) committed += batch.length;
          if (committed >= messages.length) break;
        }

        expect(allOf(sink)).toEqual(allOf(calm.sink));
        expect(allOf(other)).toEqual(allOf(calm.sink));
        const { consumed, warmUps, ...rest } = counts();
        const { consumed: calmConsumed, warmUps: none, ...expected } = calm.counts();
        expect([none, calmConsumed]).toEqual([0, messages.length]);
        expect(rest).toEqual(expected);
        expect(consumed).toBe(messages.length + warmUps);
      },
    ),
    { numRuns: 40 },
  );
});

test('after an error in scoring no batch is acknowledged, and onBroken is called', async () => {
  const { handle, sink, active, broken } = createTestPipeline();
  const working = active.detector;
  active.detector = {
    ...working,
    assess: () => {
      throw new Error('out of memory');
    },
  };
  const messages = [message(0, { time: 1 }), message(1, { time: 2 }), message(2, { time: 3 })];
  await expect(deliver(handle, messages)).rejects.toThrow('scoring failed');
  active.detector = working;
  // The windows contain these records already: now they would pass for duplicates.
  await expect(deliver(handle, messages)).rejects.toThrow('scoring failed');
  expect(broken).toHaveLength(1);
  expect(sink.taken).toEqual([]);
});

describe('while a batch is being decoded', () => {
  /** Decodes batch i when `release(i)` is called. */
  function createSlowPipeline() {
    const waiting: (() => void)[] = [];
    const slow =
      (decode: DecodeBatch): DecodeBatch =>
      async (messages, time) => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        return decode(messages, time);
      };
    return { ...createTestPipeline({ around: slow }), release: (i: number) => waiting[i]!() };
  }

  test('a new version may come into use, and scores the batch', async () => {
    const { handle, sink, active, release } = createSlowPipeline();
    const handled = deliver(handle, [message(0, { time: 1 }), message(1, { time: 2, surprise: 4 })]);
    Object.assign(active, { detector: createSimpleDetector('v2'), threshold: 5 });
    release(0);
    await handled;
    expect(allOf(sink).detections).toMatchObject([{ modelVersion: 'v2', threshold: 5, anomalous: false }]);
  });

  test('another partition overtakes it, and both keep their own records', async () => {
    const { handle, sink, release } = createSlowPipeline();
    const pair = (key: string) => [0, 1].map((i) => message(i, { key, time: i, surprise: i }));
    const first = deliver(handle, pair('a'), 0);
    const second = deliver(handle, pair('b'), 1);
    release(1);
    await second;
    expect(allOf(sink).detections.map(({ key }) => key)).toEqual(['b']);
    release(0);
    await first;
    expect(allOf(sink).detections.map(({ key }) => key)).toEqual(['b', 'a']);
  });

  test('an error in scoring another batch keeps this one from being acknowledged, too', async () => {
    const { handle, sink, active, broken, release } = createSlowPipeline();
    const pair = (key: string) => [0, 1].map((i) => message(i, { key, time: i }));
    const { detector } = active;
    const first = deliver(handle, pair('a'), 0);
    const second = deliver(handle, pair('b'), 1);
    active.detector = {
      ...detector,
      assess: () => {
        throw new Error('out of memory');
      },
    };
    release(1);
    await expect(second).rejects.toThrow('scoring failed');
    active.detector = detector;
    release(0);
    await expect(first).rejects.toThrow('scoring failed');
    expect([broken.length, sink.taken.length]).toEqual([1, 0]);
  });
});

test('a batch rejected as unavailable has no effect until it is redelivered', async () => {
  let away = true;
  const { handle, broken, sink } = createTestPipeline({
    around: (decode) => (messages, now) =>
      away ? Promise.reject(new UnavailableError('registry is unreachable')) : decode(messages, now),
  });
  const messages = [message(0, { time: 1 }), message(1, { time: 2 })];
  await expect(deliver(handle, messages)).rejects.toThrow('registry is unreachable');
  expect(sink.taken).toEqual([]);
  away = false;
  await deliver(handle, messages);
  expect(allOf(sink).detections).toHaveLength(1);
  expect(allOf(sink).deadLetters).toEqual([]);
  expect(broken).toEqual([]);
});

test('an unexpected decoding error calls onBroken', async () => {
  const { handle, broken } = createTestPipeline({
    around: () => () => Promise.reject(new Error('no such library')),
  });
  await expect(deliver(handle, [message(0, { time: 1 })])).rejects.toMatchObject({
    message: expect.stringContaining('decoding or scoring failed'),
    cause: { message: 'no such library' },
  });
  expect(broken).toHaveLength(1);
});
