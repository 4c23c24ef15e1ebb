import { createLogSink } from '../../src/sinks/log';
import { createDetection, createEvent } from './events';

function createSink() {
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const at = (level: string) => (message: string, fields: Record<string, unknown>) =>
    void lines.push({ level, message, fields });
  return { lines, sink: createLogSink({ warn: at('warn'), info: at('info') }) };
}
const nothing = { detections: [], events: [], deadLetters: [] };

test('an opened event is a warning that says when, how surprising and which channels', async () => {
  const { sink, lines } = createSink();
  await sink.write({ ...nothing, events: [createEvent()] });
  expect(lines).toEqual([
    {
      level: 'warn',
      message: 'event opened',
      fields: {
        detector: 'plant',
        key: 'pump-3',
        start: '1970-01-01T00:00:10.000Z',
        surprise: 7.12,
        seen: 'once in 13,000,000 normal records',
        why: 'flow 1.23 (expected 0.1); pressure 1.00e-9 (expected 123,500)',
        modelVersion: 'v1',
      },
    },
  ]);
});

test('channels that do not fit the others are named', async () => {
  const { sink, lines } = createSink();
  const nearestNormal = { reconstruction: 1, leftOut: ['flow', 'load'], latent: [] };
  await sink.write({ ...nothing, events: [createEvent({ nearestNormal })] });
  expect(lines[0]!.fields['misfits']).toBe('flow, load');
});

test('a limit that was violated comes before what the model says, and its channel once', async () => {
  const { sink, lines } = createSink();
  const limits = [{ channel: 'flow', limit: 'max', bound: 1, actual: 1.5 }] as const;
  await sink.write({ ...nothing, events: [createEvent({ limits })] });
  expect(lines[0]!.fields['why']).toBe(
    'flow 1.5 (above its limit of 1); pressure 1.00e-9 (expected 123,500)',
  );
});

test('a closed event is information and says when it ended', async () => {
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
  [9.1, 'less than once in a billion normal records'],
  [300, 'less than once in a billion normal records'],
])('a surprise of %d was seen %s', async (peakSurprise, seen) => {
  const { sink, lines } = createSink();
  await sink.write({ ...nothing, events: [createEvent({ peakSurprise })] });
  expect(lines[0]!.fields['seen']).toBe(seen);
});

test('events come in their order, and detections and dead letters are no lines', async () => {
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
