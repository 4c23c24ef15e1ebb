import { createOutcome } from '../../src/pipeline/outcome';
import type { RejectReason } from '../../src/errors';
import { createScoreWatch, type WrittenOutcome } from '../../src/runtime/score-watch';
import { createRecordReports } from '../../src/runtime/record-reports';
import { createRecordedLog } from './recorded-log';

type Counts = ReturnType<typeof createOutcome>['counts'];

/** An outcome of so many records, none of which was scored unless `counts` says so. */
function outcome(consumed: number, counts: Partial<Counts> = {}, rejected?: RejectReason): WrittenOutcome {
  const empty = { topic: 't', partition: 0, messages: [], lag: 0 };
  const all = createOutcome(empty, { hasProcessed: () => false } as never, [], 3).counts;
  return {
    counts: { ...all, consumed, ...counts },
    deadLetters: Array.from({ length: rejected === undefined ? 0 : consumed }, () => ({
      detector: 'plant',
      reason: rejected!,
      message: 'channel "flow" must be a number, got "10.09"',
      origin: { topic: 't', partition: 0, offset: '0' },
      key: null,
      value: null,
    })),
  };
}

function start(keys = 1, windowLength = 10) {
  let time = 0;
  const scoreWatch = createScoreWatch(
    windowLength,
    () => keys,
    () => time,
  );
  return { scoreWatch, at: (ms: number) => void (time = ms) };
}

test('no problem is seen in the first windows of each device, whatever comes of them', () => {
  const { scoreWatch } = start(100);
  scoreWatch.observe(outcome(3_000, { windowNotFull: 3_000 }));
  expect(scoreWatch.problem()).toBeUndefined();
  scoreWatch.observe(outcome(1, { windowNotFull: 1 }));
  expect(scoreWatch.problem()).toMatch(
    /^no record is scored: 3001 received since 1970.*3001 in windows that are not full/,
  );
});

test.each<[string, Partial<Counts>, RejectReason | undefined, string]>([
  [
    'rejected',
    {},
    'not_a_number',
    'rejected: 100 not_a_number (t:0:0: channel "flow" must be a number, got "10.09")',
  ],
  [
    'of devices without a window',
    { windowNotFull: 100, noRoom: 100 },
    undefined,
    '100 of devices that wait for a window (see window.maxKeys)',
  ],
  [
    'cut by window.ttl',
    { windowNotFull: 100, windowsCut: { expired: 99, broken: 0 } },
    undefined,
    '99 windows cut by silences above window.ttl',
  ],
  [
    'without values',
    { scored: 100, withoutValues: 100 },
    undefined,
    '100 without the value of any channel (see record.channels, fields.values)',
  ],
  [
    'ignored',
    { ignored: { duplicate: 0, out_of_order: 100 } },
    undefined,
    '100 ignored as duplicates or out of order',
  ],
  [
    'evicted',
    { windowNotFull: 100, windowsEvicted: 90 },
    undefined,
    '90 windows dropped for other devices (see window.maxKeys)',
  ],
])('records that are %s are the reason, until one is scored', (_, counts, rejected, reason) => {
  const { scoreWatch } = start();
  scoreWatch.observe(outcome(100, counts, rejected));
  expect(scoreWatch.problem()).toContain(reason);
  scoreWatch.observe(outcome(1, { scored: 1 }));
  expect(scoreWatch.problem()).toBeUndefined();
  scoreWatch.observe(outcome(20));
  expect(scoreWatch.problem()).toBeUndefined();
});

test('records that only fill windows after a start do not count', () => {
  const { scoreWatch } = start();
  scoreWatch.observe(outcome(1000, { warmUps: 1000 }));
  expect(scoreWatch.problem()).toBeUndefined();
});

describe('reports', () => {
  function reporting() {
    let time = 0;
    const { scoreWatch } = start();
    const log = createRecordedLog();
    const lines = log.entries;
    const reports = createRecordReports({ maxKeys: 100, scoreWatch, log, now: () => time });
    return {
      lines,
      reports,
      observe(of: WrittenOutcome, at: number) {
        time = at;
        scoreWatch.observe(of);
        reports.observe(of);
      },
    };
  }
  const scored = { scored: 5 };

  test('of rejected records come at once, then once a minute, and at the end, with a sample of each reason', () => {
    const { observe, lines, reports } = reporting();
    const bad = outcome(10, scored, 'out_of_order');
    for (const at of [1, 2, 59_000, 60_002, 60_003]) observe(bad, at);
    expect(lines.map(({ fields }) => fields['rejected'])).toEqual([10, 30]);
    reports.flush();
    reports.flush();
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatchObject({
      level: 'warn',
      message: 'records were rejected',
      fields: {
        rejected: 10,
        received: 10,
        reasons: [expect.stringContaining('10 out_of_order (t:0:0: channel')],
      },
    });
  });

  test('name the file of an image that is rejected', () => {
    const { observe, lines } = reporting();
    const bad = outcome(1, scored, 'damaged_image');
    const origin = { ...bad.deadLetters[0]!.origin, file: 'part 7.png' };
    observe({ ...bad, deadLetters: [{ ...bad.deadLetters[0]!, origin }] }, 1);
    expect(lines[0]!.fields['reasons']).toEqual([expect.stringContaining('1 damaged_image (part 7.png: ')]);
  });

  test('name devices that wait, windows that were dropped and records far ahead', () => {
    const { observe, lines } = reporting();
    observe(outcome(10, { ...scored, noRoom: 3, windowsEvicted: 2, jumpsUndone: 1 }), 0);
    expect(lines.map(({ fields }) => fields)).toEqual([
      { noRoom: 3, maxKeys: 100 },
      { windows: 2, maxKeys: 100 },
      { records: 1 },
    ]);
  });

  test('say once that duplicate or late records are ignored, which the settings ask for', () => {
    const { observe, lines, reports } = reporting();
    const ignored = { ...scored, ignored: { duplicate: 3, out_of_order: 1 } };
    for (const at of [1, 60_002, 120_003]) observe(outcome(10, ignored), at);
    reports.flush();
    expect(lines).toEqual([
      {
        level: 'info',
        message:
          'duplicate or late records are ignored, as configured; vaemon_records_ignored_total counts them',
        fields: { duplicate: 3, outOfOrder: 1, received: 10 },
      },
    ]);
  });

  test('say once that nothing is scored, and once that scoring has resumed', () => {
    const { observe, lines } = reporting();
    for (const at of [1, 2, 3]) observe(outcome(50), at);
    observe(outcome(5, scored), 4);
    expect(lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'error: detector receives records and scores none',
      'info: scoring has resumed',
    ]);
  });

  test('are absent where all is well', () => {
    const { observe, lines, reports } = reporting();
    observe(outcome(50, { scored: 50 }), 0);
    reports.flush();
    expect(lines).toEqual([]);
  });
});
