import type { AnomalyEvent } from '../../src/domain/event';
import type { EventContribution } from '../../src/domain/event-channels';
import type { Fields, LogLine } from '../../src/logger';
import { createLogSink } from '../../src/sinks/log';
import { createDetection, createEvent } from './events';

function createSink() {
  const lines: { level: string; message: string; fields: Fields; text: string }[] = [];
  const at =
    (level: string): LogLine =>
    (message, fields = {}, text = '') =>
      void lines.push({ level, message, fields, text });
  return { lines, sink: createLogSink({ warn: at('warn'), info: at('info') }) };
}
const nothing = { detections: [], events: [], deadLetters: [] };

test('an opened event is a warning with its time, surprise and channels', async () => {
  const { sink, lines } = createSink();
  await sink.write({ ...nothing, events: [createEvent()] });
  expect(lines).toEqual([
    {
      level: 'warn',
      message: 'event opened',
      fields: {
        key: 'pump-3',
        start: '1970-01-01T00:00:10.000Z',
        surprise: 7.12,
        seen: 'once in 13,000,000 normal records',
        why: 'flow 1.23 (expected 0.1); pressure 1.00e-9 (expected 123,500)',
        modelVersion: 'v1',
      },
      text: '00:00:10 plant/pump-3 flow 1.23, expected 0.1 (+1 channel); surprise 7.1, once in 13,000,000 normal records',
    },
  ]);
});

test('channels that do not fit the others are named', async () => {
  const { sink, lines } = createSink();
  const nearestNormal = { reconstruction: 1, leftOut: ['flow', 'load'], latent: [] };
  await sink.write({ ...nothing, events: [createEvent({ nearestNormal })] });
  expect(lines[0]!.fields['misfits']).toBe('flow, load');
});

test('a violated limit comes before what the model expected, and its channel appears once', async () => {
  const { sink, lines } = createSink();
  const limits = [{ channel: 'flow', limit: 'max', bound: 1, actual: 1.5 }] as const;
  await sink.write({ ...nothing, events: [createEvent({ limits })] });
  expect(lines[0]!.fields['why']).toBe(
    'flow 1.5 (above its limit of 1); pressure 1.00e-9 (expected 123,500)',
  );
});

test('an event that was held back is information with the reason', async () => {
  const { sink, lines } = createSink();
  await sink.write({
    ...nothing,
    events: [createEvent({ status: 'held_back', closedBy: 'quiet', end: 12_500, anomalousRecords: 4 })],
  });
  expect(lines).toMatchObject([
    {
      level: 'info',
      message: 'event held back',
      fields: { key: 'pump-3', records: 4, end: '1970-01-01T00:00:12.500Z' },
      text: '00:00:12 plant/pump-3 event held back, as the alarm budget was spent: 4 anomalous records in 2.5 s, peak surprise 7.1',
    },
  ]);
});

test('silent devices are named, from when on they are silent and for how long', async () => {
  const { sink, lines } = createSink();
  const silent = { kind: 'silent', keys: ['pump-3', 'pump-4', 'pump-5'], contributions: [] } as const;
  await sink.write({
    ...nothing,
    events: [
      createEvent(silent),
      createEvent({ ...silent, status: 'closed', closedBy: 'resumed', end: 40_000 }),
    ],
  });
  expect(lines).toMatchObject([
    {
      level: 'warn',
      message: 'event opened',
      fields: { key: 'pump-3', kind: 'silent', devices: 'pump-3, pump-4, pump-5' },
      text: '00:00:11 plant/pump-3 (+2 devices) silent since 00:00:10',
    },
    {
      level: 'info',
      fields: { closedBy: 'resumed' },
      text: '00:00:40 plant/pump-3 (+2 devices) event closed: silent for 30 s',
    },
  ]);
});

test('an event that is accepted as the new normal is a warning', async () => {
  const { sink, lines } = createSink();
  await sink.write({
    ...nothing,
    events: [createEvent({ status: 'closed', closedBy: 'accepted', end: 12_500 })],
  });
  expect(lines).toMatchObject([
    { level: 'warn', message: 'event accepted as the new normal', fields: { closedBy: 'accepted' } },
  ]);
  expect(lines[0]!.text).toContain('event closed as the new normal: ');
});

test('a closed event is information with its end', async () => {
  const { sink, lines } = createSink();
  await sink.write({
    ...nothing,
    events: [createEvent({ status: 'closed', closedBy: 'silence', end: 12_500 })],
  });
  expect(lines).toMatchObject([
    {
      level: 'info',
      message: 'event closed',
      fields: {
        start: '1970-01-01T00:00:10.000Z',
        end: '1970-01-01T00:00:12.500Z',
        records: 3,
        closedBy: 'silence',
      },
    },
  ]);
});

test('only the most surprising channels are named, the first three', async () => {
  const { sink, lines } = createSink();
  const contributions = ['a', 'b', 'c', 'd'].map((channel) => ({
    channel,
    contribution: 1,
    actual: 1,
    expected: 1,
    surprise: 3,
    repeats: 0,
    at: 0,
    records: 1,
  }));
  await sink.write({ ...nothing, events: [createEvent({ contributions })] });
  expect(lines[0]!.fields['why']).toBe('a 1 (expected 1); b 1 (expected 1); c 1 (expected 1)');
});

test.each([
  [NaN, 'missing'],
  [0, '0'],
  [-0.012345, '-0.0123'],
  [4.2, '4.2'],
  [1234.5678, '1,235'],
  [-2.5e12, '-2.50e+12'],
])('a value of %d is written as %s', async (actual, text) => {
  const { sink, lines } = createSink();
  const contributions = [
    { channel: 'a', contribution: 0, actual, expected: 2, surprise: 3, repeats: 0, at: 0, records: 1 },
  ];
  await sink.write({ ...nothing, events: [createEvent({ contributions })] });
  expect(lines[0]!.fields['why']).toBe(`a ${text} (expected 2)`);
});

test('a value near the expected one has the digits that tell them apart', async () => {
  const { sink, lines } = createSink();
  const contribution = { contribution: 0, surprise: 3, repeats: 0, at: 0, records: 1 };
  const contributions = [
    { channel: 'a', actual: 1_700_000_060, expected: 1_700_000_000.25, ...contribution },
    { channel: 'b', actual: 10.04, expected: 10, ...contribution },
    { channel: 'c', actual: 10.5, expected: 10.2468, ...contribution },
  ];
  await sink.write({ ...nothing, events: [createEvent({ contributions })] });
  expect(lines[0]!.fields['why']).toBe(
    'a 1,700,000,060 (expected 1,700,000,000); b 10.04 (expected 10); c 10.5 (expected 10.2)',
  );
});

test.each([
  [3, 'a 5 (expected 2)'],
  [4, 'a 5 (expected 2), unchanged 5 times in a row'],
])('a channel that repeated its value %d times is described as "%s"', async (repeats, text) => {
  const { sink, lines } = createSink();
  const contributions = [
    { channel: 'a', contribution: 0, actual: 5, expected: 2, surprise: 3, repeats, at: 0, records: 1 },
  ];
  await sink.write({ ...nothing, events: [createEvent({ contributions })] });
  expect(lines[0]!.fields['why']).toBe(text);
});

test.each([
  [2, 'once in 100 normal records'],
  [9, 'once in 1,000,000,000 normal records'],
  [9.1, 'once in over a billion normal records'],
  [300, 'once in over a billion normal records'],
])('a surprise of %d is described as %s', async (peakSurprise, seen) => {
  const { sink, lines } = createSink();
  await sink.write({ ...nothing, events: [createEvent({ peakSurprise })] });
  expect(lines[0]!.fields['seen']).toBe(seen);
});

test('events keep their order, and detections and dead letters are not logged', async () => {
  const { sink, lines } = createSink();
  await sink.write({
    detections: [createDetection(1, { anomalous: true })],
    events: [createEvent({ status: 'closed' }), createEvent()],
    deadLetters: [
      {
        detector: 'plant',
        reason: 'empty',
        message: '',
        origin: { topic: 't', partition: 0, offset: '1' },
        key: null,
        value: null,
      },
    ],
  });
  expect(lines.map(({ message }) => message)).toEqual(['event closed', 'event opened']);
  await sink.close();
});

describe('the text of an event', () => {
  async function textOf(event: Partial<AnomalyEvent>): Promise<string> {
    const { sink, lines } = createSink();
    await sink.write({ ...nothing, events: [createEvent(event)] });
    expect(lines[0]!.text.length).toBeLessThanOrEqual(120);
    return lines[0]!.text;
  }
  const [flow, pressure] = createEvent().contributions as [EventContribution, EventContribution];

  test('names a violated limit first, and counts the other channels beyond the threshold', async () => {
    const limits = [{ channel: 'pressure', limit: 'max', bound: 1, actual: 1.5 }] as const;
    const contributions = [pressure, flow, { ...flow, channel: 'load', records: 0 }];
    expect(await textOf({ limits, contributions, peakSurprise: 5 })).toBe(
      '00:00:10 plant/pump-3 pressure 1.5, above its limit of 1 (+1 channel); surprise 5.0, once in 100,000 normal records',
    );
  });

  test('mentions a value that repeats', async () => {
    expect(await textOf({ contributions: [{ ...flow, repeats: 9 }], peakSurprise: 2 })).toBe(
      '00:00:10 plant/pump-3 flow 1.23, expected 0.1, unchanged 10 times in a row; surprise 2.0, once in 100 normal records',
    );
  });

  test('does without a channel if the record was not explained', async () => {
    expect(await textOf({ contributions: [], peakSurprise: 2 })).toBe(
      '00:00:10 plant/pump-3 anomalous; surprise 2.0, once in 100 normal records',
    );
  });

  test('leaves out the number of channels first, then how rare the event is, and is cut at last', async () => {
    const named = (length: number) => [{ ...flow, channel: 'f'.repeat(length) }, pressure];
    const peakSurprise = 12;
    expect(await textOf({ contributions: named(20), peakSurprise })).toMatch(/0\.1; .* normal records$/);
    expect(await textOf({ contributions: named(40), peakSurprise })).toMatch(
      /0\.1 \(\+1 channel\); surprise 12\.0$/,
    );
    expect(await textOf({ contributions: named(200), peakSurprise })).toMatch(/f…$/);
  });

  test('has room for a long key, and escapes what a terminal would interpret', async () => {
    expect(await textOf({ key: 'k'.repeat(500) })).toMatch(/^00:00:10 plant\/k+… flow 1\.23/);
    expect(await textOf({ key: '\x1b[2J\n' })).toContain('plant/"\\u001b[2J\\n" flow');
  });

  test.each([
    ['quiet', 'event closed: 3 anomalous records in 2.5 s, peak surprise 7.1'],
    ['silence', 'event closed by silence: 3 anomalous records in 2.5 s, peak surprise 7.1'],
    ['end', 'event closed with the last record: 3 anomalous records in 2.5 s, peak surprise 7.1'],
  ] as const)('that was closed by %s', async (closedBy, text) => {
    expect(await textOf({ status: 'closed', closedBy, end: 12_500 })).toBe(`00:00:12 plant/pump-3 ${text}`);
  });
});

test('an event of an image is called after its file, whose name may be anything', async () => {
  const { sink, lines } = createSink();
  await sink.write({ ...nothing, events: [createEvent({ peakFile: 'left/scratch 3\n.png' })] });
  expect(lines[0]!.fields['file']).toBe('left/scratch 3\n.png');
  expect(lines[0]!.text).toContain(' plant/"left/scratch 3\\n.png" flow 1.23');
});
