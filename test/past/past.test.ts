import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { AnomalyEvent } from '../../src/domain/event';
import { openPast, type Past, type PastOptions } from '../../src/past/past';
import { minuteMs } from '../../src/past/score-minutes';

const directory = mkdtempSync(join(tmpdir(), 'vaemon-past-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const warnings: string[] = [];
const measured = { bytes: 0, failures: 0 };
const open: Past[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((past) => past.stop()));
  warnings.length = 0;
  Object.assign(measured, { bytes: 0, failures: 0 });
});

const channels = ['flow', 'power'];
const began = 29_000_000 * minuteMs;
let detectors = 0;

const usual = { events: 100, records: 5, scoresMs: 60 * minuteMs, devices: 10, saveIntervalMs: 60_000 };

async function start(
  detector = `pump${++detectors}`,
  settings: Partial<PastOptions['settings']> = {},
  continues = true,
): Promise<Past & { folder: string; detector: string }> {
  const log = {
    warn(message: string) {
      warnings.push(message);
    },
  };
  const past = await openPast({
    directory,
    detector,
    settings: { ...usual, ...settings },
    events: { openRecords: 3, openWindow: 5 },
    continues,
    metrics: {
      bytes: (bytes) => (measured.bytes = bytes),
      saveFailed: () => measured.failures++,
    },
    log,
  });
  open.push(past);
  return { ...past, folder: join(directory, detector, 'past'), detector };
}

/** Record number `i` of a device: its values are `i`, and what is expected of them is 1 more. */
function observe(past: Past, key: string, i: number, anomalous = false, width = 2): void {
  const record = {
    partition: 0,
    key,
    timestamp: began + 1000 * i,
    surprise: anomalous ? 5 : 1,
    threshold: 3,
    aboveBaseline: anomalous ? 5 : 1,
    anomalous,
  };
  const names = Array.from({ length: width }, (_, j) => channels[j] ?? `channel-${j}`);
  past.observe(record, names, (into, at) => {
    into.fill(i, at, at + width);
    into.fill(i + 1, at + width, at + 2 * width);
  });
}

function event(key: string, i: number, more: Partial<AnomalyEvent> = {}): AnomalyEvent {
  return {
    id: `pump/${key}/${i}`,
    detector: 'pump',
    key,
    kind: 'anomaly',
    status: 'open',
    start: began + 1000 * i,
    end: began + 1000 * i,
    openedAt: began + 1000 * i,
    anomalousRecords: 1,
    peakSurprise: 5,
    peakAt: began + 1000 * i,
    threshold: 3,
    contributions: [],
    limits: [],
    modelVersion: 'v',
    ...more,
  };
}

const closed = (key: string, i: number, more: Partial<AnomalyEvent> = {}): AnomalyEvent =>
  event(key, i, { status: 'closed', closedBy: 'quiet', ...more });

/** Records 0 to 29 of a device, of which 10 to 14 are an event. */
function play(past: Past, key: string, from = 0, to = 30): void {
  for (let i = from; i < to; i++) {
    observe(past, key, i, i >= 10 && i < 15);
    if (i === 10) past.report([event(key, 10)], channels);
    if (i === 15) past.report([closed(key, 10)], channels);
  }
}

const numbersOf = (whole: Awaited<ReturnType<Past['whole']>>): number[] =>
  whole!.records.timestamps.map((at) => (at - began) / 1000);

test('an event has the records before it, during it and after it', async () => {
  const past = await start();
  play(past, 'a');
  const whole = await past.whole('pump/a/10');
  // Five up to the record with which it opened, and five after the one with which it closed.
  expect(numbersOf(whole)).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  expect(whole!.channels).toEqual(channels);
  expect(whole!.records.actual[1]).toEqual(numbersOf(whole));
  expect(whole!.records.expected[0]).toEqual(numbersOf(whole).map((i) => i + 1));
  expect(whole!.event).toMatchObject({ status: 'closed', closedBy: 'quiet' });
});

test('a restart keeps events, their records and the scores', async () => {
  const first = await start();
  play(first, 'a');
  first.report([event('b', 3, { kind: 'silent', keys: ['b', 'c'] })], channels);
  const before = await first.whole('pump/a/10');
  const scores = first.scores('a');
  await first.stop();
  const second = await start(first.detector);
  expect(await second.whole('pump/a/10')).toEqual(before);
  expect(second.scores('a')).toEqual(scores);
  expect(scores).toEqual([{ at: began, surprise: 5, threshold: 3, records: 30, anomalous: 5 }]);
  expect(second.events().map((one) => one.event.id)).toEqual(['pump/a/10', 'pump/b/3']);
});

test('processes that share the store know the scores of each other, and a partition that moves keeps its scores', async () => {
  const score = (past: Past, partition: number, key: string, minute: number) =>
    past.observe(
      {
        partition,
        key,
        timestamp: began + minute * minuteMs,
        surprise: 1,
        threshold: 3,
        aboveBaseline: 1,
        anomalous: false,
      },
      channels,
      (into, at) => into.fill(0, at, at + 4),
    );
  const keysOf = (past: Past) =>
    past
      .devices()
      .map(({ key }) => key)
      .sort();
  const first = await start(undefined, { saveIntervalMs: 20 });
  const second = await start(first.detector, { saveIntervalMs: 20 });
  score(first, 0, 'a', 0);
  score(second, 1, 'b', 0);
  await Promise.all([first.save(), second.save()]);
  for (const past of [first, second]) {
    while (keysOf(past).length < 2) {
      await past.readScores();
      await new Promise((wait) => setTimeout(wait, 20));
    }
    expect(keysOf(past)).toEqual(['a', 'b']);
    expect(past.minutes().map(({ key, partition }) => [key, partition])).toEqual(
      expect.arrayContaining([
        ['a', 0],
        ['b', 1],
      ]),
    );
  }
  expect(second.scores('a')).toMatchObject([{ at: began }]);
  expect(second.recent('a')).toBeUndefined();
  // The partition of `a` moves; what the first process has stored of it stays.
  score(second, 0, 'a', 1);
  await second.save();
  expect(second.scores('a')).toMatchObject([{ at: began }, { at: began + minuteMs }]);
  while (first.scores('a')!.length < 2) {
    await first.readScores();
    await new Promise((wait) => setTimeout(wait, 20));
  }
  const third = await start(first.detector);
  expect(third.scores('a')).toEqual(second.scores('a'));
  expect(warnings).toEqual([]);
});

test('a process that dies loses what came after its last save, and no more', async () => {
  const first = await start(undefined, { saveIntervalMs: 100 });
  play(first, 'a', 0, 12);
  while (!existsSync(join(first.folder, 'scores-0.state'))) await new Promise((wait) => setTimeout(wait, 20));
  // Nothing is stopped: another process opens the same files.
  const second = await start(first.detector);
  expect(second.event('pump/a/10')!.event.status).toBe('open');
  expect(second.scores('a')![0]).toMatchObject({ records: 12 });
  play(second, 'a', 12, 30);
  expect(numbersOf(await second.whole('pump/a/10'))).toEqual([
    6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
  ]);
});

describe('images', () => {
  /** Surprises of images; 0 = normal. Each image is of one grey, its surprise. */
  function show(past: Past, surprises: readonly number[], from = 0): void {
    surprises.forEach((surprise, i) => {
      const anomalous = surprise > 0;
      past.observe(
        {
          ...{ partition: 0, key: 'camera', timestamp: began + 1000 * (from + i), surprise, threshold: 3 },
          ...{ aboveBaseline: surprise, anomalous },
          ...(anomalous && {
            image: () => () => ({ width: 700, height: 70, pixels: new Uint8Array(147_000).fill(surprise) }),
          }),
        },
        channels,
        (into, at) => into.fill(0, at, at + 4),
      );
    });
  }

  /** Size and grey of the picture of an event. */
  async function pictureOf(past: Past, id: string): Promise<number[] | undefined> {
    const { picture } = (await past.whole(id))!;
    if (picture === undefined) return undefined;
    const { data, info } = await sharp(Buffer.from((await picture.jpeg())!, 'base64'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    return [info.width, info.height, Math.round(data[0]! / 10)];
  }

  test('an event has its oddest image, also after a restart, and takes an odder one that comes then', async () => {
    const first = await start();
    show(first, [200, 0, 100, 160, 120]);
    first.report([event('camera', 2)], channels);
    const id = 'pump/camera/2';
    expect(await pictureOf(first, id)).toEqual([512, 51, 16]);
    show(first, [140, 180], 5);
    expect(await pictureOf(first, id)).toEqual([512, 51, 18]);
    await first.stop();
    const second = await start(first.detector);
    expect(await pictureOf(second, id)).toEqual([512, 51, 18]);
    show(second, [170, 240], 7);
    expect(await pictureOf(second, id)).toEqual([512, 51, 24]);
  });

  test('images before an event, and those after it, are not its own', async () => {
    const past = await start();
    show(past, [250, 90]);
    past.report([event('camera', 1)], channels);
    expect(await pictureOf(past, 'pump/camera/1')).toBeUndefined();
    show(past, [0, 80], 2);
    expect(await pictureOf(past, 'pump/camera/1')).toEqual([512, 51, 8]);
    past.report([closed('camera', 1)], channels);
    show(past, [255], 4);
    expect(await pictureOf(past, 'pump/camera/1')).toEqual([512, 51, 8]);
  });
});

test('without a stored state, the open events of an earlier process are over', async () => {
  const first = await start();
  play(first, 'a', 0, 12);
  await first.stop();
  const second = await start(first.detector, {}, false);
  expect(second.event('pump/a/10')!.event).toMatchObject({ status: 'closed', closedBy: 'end' });
});

test('a long event keeps a bounded number of records, its peak among them', async () => {
  const past = await start();
  for (let i = 0; i < 5000; i++) {
    if (i === 2001)
      past.observe(
        {
          partition: 0,
          key: 'a',
          timestamp: began + 1000 * i,
          surprise: 9,
          threshold: 3,
          aboveBaseline: 9,
          anomalous: true,
        },
        channels,
        (into, at) => into.fill(0, at, at + 4),
      );
    else observe(past, 'a', i, i >= 10);
    if (i === 10) past.report([event('a', 10)], channels);
  }
  const { surprise, timestamps } = (await past.whole('pump/a/10'))!.records;
  expect(timestamps.length).toBeLessThanOrEqual(485);
  expect(surprise).toContain(9);
  expect(timestamps.slice(0, 6).map((at) => (at - began) / 1000)).toEqual([6, 7, 8, 9, 10, 11]);
  expect(timestamps.length).toBeGreaterThan(100);
  expect(timestamps.at(-1)).toBeGreaterThan(began + 1000 * 4900);
});

test('events beyond the limit are forgotten, with their files: those that were updated longest ago, open ones last', async () => {
  const past = await start(undefined, { events: 3 });
  past.report([event('open', 0)], channels);
  for (let i = 1; i <= 5; i++) past.report([closed(`k${i}`, i)], channels);
  await past.save();
  expect(past.events().map((one) => one.event.key)).toEqual(['k5', 'k4', 'open']);
  for (let i = 6; i <= 7; i++) past.report([closed(`k${i}`, i)], channels);
  await past.save();
  expect(readdirSync(join(past.folder, 'events'))).toHaveLength(3);
});

test('of many channels the important ones are stored', async () => {
  const first = await start();
  const worst = {
    channel: 'channel-39',
    contribution: 9,
    surprise: 5,
    actual: 1,
    expected: 0,
    repeats: 0,
    at: 0,
    records: 1,
  };
  const names = Array.from({ length: 40 }, (_, j) => channels[j] ?? `channel-${j}`);
  for (let i = 0; i < 30; i++) {
    observe(first, 'a', i, false, 40);
    if (i === 10) first.report([event('a', 10, { contributions: [worst] })], names);
    if (i === 12) first.report([closed('a', 10, { contributions: [worst] })], names);
  }
  const whole = (await first.whole('pump/a/10'))!;
  expect(whole.channels).toHaveLength(16);
  expect(whole.channels[0]).toBe('channel-39');
  expect(whole.records.actual).toHaveLength(16);
});

test('devices beyond the limit have no scores until others are silent', async () => {
  const past = await start(undefined, { devices: 2 });
  for (const key of ['a', 'b', 'c']) observe(past, key, 0);
  expect(past.devices().map(({ key }) => key)).toEqual(['a', 'b']);
  expect(past.scores('c')).toBeUndefined();
  // Its events are kept.
  past.report([event('c', 0)], channels);
  expect(numbersOf(await past.whole('pump/c/0'))).toEqual([]);
});

test('damaged files are logged and left out; the rest is read', async () => {
  const first = await start();
  play(first, 'a');
  play(first, 'b');
  await first.stop();
  const events = join(first.folder, 'events');
  const [name] = readdirSync(events);
  writeFileSync(join(events, name!), readFileSync(join(events, name!), 'utf8').slice(0, 50));
  writeFileSync(join(first.folder, 'scores-0.state'), 'x');
  const second = await start(first.detector);
  expect(second.events()).toHaveLength(1);
  expect(second.devices()).toEqual([]);
  expect(warnings).toHaveLength(2);
});

test('a store that cannot be written is logged once; records and events go on, and are saved later', async () => {
  const past = await start();
  writeFileSync(join(directory, past.detector), 'in the way');
  play(past, 'a');
  await past.save();
  await past.save();
  expect(warnings).toEqual(['the recent past could not be saved']);
  expect(measured).toEqual({ bytes: 0, failures: 2 });
  expect((await past.whole('pump/a/10'))!.event.status).toBe('closed');
  rmSync(join(directory, past.detector));
  await past.save();
  const [name] = readdirSync(join(past.folder, 'events')) as [string];
  const files = [join('events', name), 'scores-0.state'];
  const bytes = files.reduce((sum, file) => sum + statSync(join(past.folder, file)).size, 0);
  expect(measured).toEqual({ bytes, failures: 2 });
});

test('a label is saved at once, and each changes the revision', async () => {
  const first = await start();
  play(first, 'a');
  const label = { label: 'normal', note: 'the pump was cleaned', at: 5 } as const;
  const seen: unknown[] = [];
  first.subscribe((past) => seen.push(past.label?.label));
  expect(await first.label('pump/a/10', label)).toMatchObject({ revision: 1, label });
  expect(await first.label('pump/a/10', { ...label, label: 'anomaly' })).toMatchObject({ revision: 2 });
  expect(seen).toEqual(['normal', 'anomaly']);
  const second = await start(first.detector);
  expect(second.event('pump/a/10')).toMatchObject({ revision: 2, label: { label: 'anomaly' } });
  expect(numbersOf(await second.whole('pump/a/10'))).toHaveLength(15);
  expect(await first.label('pump/x/1', label)).toBeUndefined();
});

test('a recording that is replayed has the same event again, with its new records', async () => {
  const past = await start();
  play(past, 'a');
  play(past, 'a', 0, 12);
  expect(past.event('pump/a/10')!.event.status).toBe('open');
  expect(numbersOf(await past.whole('pump/a/10'))).toEqual([6, 7, 8, 9, 10, 11]);
  expect(past.events()).toHaveLength(1);
});

describe('two processes on one store', () => {
  const note = { label: 'normal' as const, note: 'lunch', at: 7 };

  test('each lists the events of both, with the records around them, as they open and close', async () => {
    const one = await start();
    const other = await start(one.detector);
    const seen: string[] = [];
    other.subscribe((past) => seen.push(`${past.event.id} ${past.event.status}`));
    play(one, 'a', 0, 12);
    await one.save();
    await other.refresh();
    await other.refresh();
    expect(seen).toEqual(['pump/a/10 open']);
    play(one, 'a', 12, 30);
    play(other, 'b');
    await Promise.all([one.save(), other.save()]);
    await Promise.all([one.refresh(), other.refresh()]);
    for (const past of [one, other])
      expect(
        past
          .events()
          .map(({ event: { id, status } }) => `${id} ${status}`)
          .sort(),
      ).toEqual(['pump/a/10 closed', 'pump/b/10 closed']);
    expect(numbersOf(await other.whole('pump/a/10'))).toEqual(numbersOf(await one.whole('pump/a/10')));
    expect(warnings).toEqual([]);
  });

  test('an event that moves with its partition is continued by the other process, with its label', async () => {
    const one = await start();
    play(one, 'a', 0, 12);
    expect(await one.label('pump/a/10', note)).toMatchObject({ revision: 1 });
    const other = await start(one.detector);
    other.report([closed('a', 10)], channels);
    await other.save();
    await one.refresh();
    for (const past of [one, other])
      expect(past.event('pump/a/10')).toMatchObject({
        event: { status: 'closed' },
        revision: 1,
        label: note,
      });
    // What this process had in memory is not written over it.
    await one.save();
    await other.refresh();
    expect(other.event('pump/a/10')).toMatchObject({ event: { status: 'closed' }, revision: 1 });
  });

  test('a label given to one is that of both, and survives what the other one saves', async () => {
    const one = await start();
    play(one, 'a', 0, 12);
    await one.save();
    const other = await start(one.detector);
    expect(await other.label('pump/a/10', note)).toMatchObject({ revision: 1, label: note });
    play(one, 'a', 12, 30);
    await one.save();
    await Promise.all([one.refresh(), other.refresh()]);
    const expected = { event: { status: 'closed' }, revision: 1, label: note };
    expect(one.event('pump/a/10')).toMatchObject(expected);
    expect(other.event('pump/a/10')).toMatchObject(expected);
    await Promise.all(open.splice(0).map((past) => past.stop()));
    const next = await start(one.detector);
    expect(next.event('pump/a/10')).toMatchObject(expected);
  });

  test('of two labels at once, one is given, and the other person is told', async () => {
    const one = await start();
    play(one, 'a');
    await one.save();
    const other = await start(one.detector);
    const written: string[] = [];
    const given = await Promise.all(
      [one, other, one].map((past, i) =>
        past.label('pump/a/10', { ...note, note: `person ${i}` }, () => {
          written.push(`person ${i}`);
          return Promise.resolve();
        }),
      ),
    );
    const winners = given.filter((past) => past !== undefined);
    expect(winners).toHaveLength(1);
    expect(written).toEqual([winners[0]!.label!.note]);
    await Promise.all([one.refresh(), other.refresh()]);
    for (const past of [one, other]) expect(past.event('pump/a/10')!.label!.note).toBe(written[0]);
    // The one who was told can replace it.
    expect(await other.label('pump/a/10', { ...note, label: 'anomaly' })).toMatchObject({ revision: 2 });
  });

  test('a label that trainings would not find is taken back', async () => {
    const past = await start();
    play(past, 'a');
    await expect(past.label('pump/a/10', note, () => Promise.reject(new Error('away')))).rejects.toThrow(
      'away',
    );
    expect(past.event('pump/a/10')).toMatchObject({ revision: 0 });
    expect(await past.label('pump/a/10', note)).toMatchObject({ revision: 1 });
  });

  test('labels are removed with their event', async () => {
    const past = await start(undefined, { events: 1 });
    play(past, 'a');
    await past.label('pump/a/10', note);
    play(past, 'b');
    await past.save();
    expect(readdirSync(join(past.folder, 'events')).filter((name) => !name.endsWith('.json'))).toEqual([]);
  });
});
