import { createReport, type ScoredSeries } from '../../../src/offline/evaluate/quality/report';
import { formatReport } from '../../../src/offline/evaluate/table';

const series = (name: string, recordsPerDay?: number): ScoredSeries => ({
  name,
  scores: Float64Array.from({ length: 20 }, (_, i) => (i < 2 || i >= 10 ? 3 : 0)),
  flags: Uint8Array.from({ length: 20 }, (_, i) => (i < 2 || i >= 12 ? 1 : 0)),
  labels: new Map(Array.from({ length: 20 }, (_, i) => [i, i >= 10 ? 1 : 0])),
  events: [
    { key: name, first: 0, last: 1 },
    { key: name, first: 12, last: 19 },
  ],
  recordsPerDay,
  tsbWindow: 6,
});
const used = { configured: 0.01, target: 0.01, threshold: 2, series: ['a', 'b'] };

function rowsOf(text: string): Map<string, string[]> {
  return new Map(text.split('\n').map((line) => [line.split(' ')[0]!, line.trim().split(/ {2,}/)]));
}

test('records with times have false events per day: one in 20 records, at 10 or 40 a day', () => {
  const rows = rowsOf(formatReport(createReport([series('a', 10), series('b', 40)], [0.01]), [used]));
  expect(rows.get('series')!.slice(-6)).toEqual([
    'flagged',
    'delay',
    'events found',
    'opened',
    'event precision',
    'false/day',
  ]);
  expect(rows.get('a')!.slice(-6)).toEqual(['1.000', '2', '1/1', '2', '0.500', '0.50']);
  expect(rows.get('b')!.at(-1)).toBe('2.00');
  expect(rows.get('macro')!.at(-1)).toBe('1.25');
  // Two false events in two days and a half.
  expect(rows.get('micro')!.slice(-4)).toEqual(['2/2', '4', '0.500', '0.80']);
});

test('events that were held back are shown beside those that opened, if there are any', () => {
  const held: ScoredSeries = {
    ...series('a', 10),
    events: [{ key: 'a', first: 0, last: 1 }],
    heldBack: [{ key: 'a', first: 12, last: 19 }],
  };
  const rows = rowsOf(formatReport(createReport([held], [0.01]), [used]));
  expect(rows.get('series')!.slice(-2)).toEqual(['without budget', 'held back']);
  expect(rows.get('a')!.slice(-6)).toEqual(['0/1', '1', '0.000', '0.50', '1/1', '1']);
  expect(rows.get('macro')!.slice(-2)[1]).toBe('1.000');
});

test('detection power is a table by fault and size, with what is left out', () => {
  const power = {
    within: [1, 4, 32],
    stretches: 25,
    alarming: 2,
    faults: [{ kind: 'shift', size: 3, unit: 'σ', canaries: 25, found: [5, 10, 23] }] as const,
  };
  const text = formatReport(createReport([series('a')], [0.01]), [used], [], power);
  expect(text).toContain(
    'detection power: faults put into 25 held-out stretches, by records to the first flag; 2 more alarm without a fault\n',
  );
  const rows = rowsOf(text);
  expect(rows.get('fault')!.slice(2)).toEqual([
    'tried',
    'found within 1',
    'found within 4',
    'found within 32',
  ]);
  expect(rows.get('shift')).toEqual(['shift', '3 σ', '25', '20 %', '40 %', '92 %']);
  expect(formatReport(createReport([series('a')], [0.01]), [used])).not.toContain('detection power');
});

test('records without times have false events per 1,000 records', () => {
  const rows = rowsOf(formatReport(createReport([series('a')], [0.01]), [used]));
  expect(rows.get('series')!.at(-1)).toBe('false/1,000');
  expect(rows.get('a')!.at(-1)).toBe('50.00');
});

test('the last line names target and threshold, with the series if these differ', () => {
  const report = createReport([series('a'), series('b')], [0.01]);
  expect(formatReport(report, [used])).toMatch(
    /\nflags and events: surprise from 2.00, false-alarm target 0.01 of the records\n$/,
  );
  const rate = { configured: '2 per day', target: 0.0004, threshold: 3.398, series: ['b'] };
  expect(formatReport(report, [{ ...used, series: ['a'] }, rate])).toMatch(
    /0.01 of the records \(a\)\n.* from 3.40, false-alarm target 2 per day = 0.0004 of the records \(b\)\n$/,
  );
});
