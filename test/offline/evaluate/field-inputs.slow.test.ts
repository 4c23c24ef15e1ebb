/** Inputs from the field that blind a detector, or look like a fault although they are none. */
import type { SeriesOutcome } from '../../../src/offline/evaluate/evaluate-series';
import { createRandom } from '../../../src/tensor';
import { evaluateLines } from './evaluate-lines';

type Row = Record<string, number | undefined>;

const start = Date.UTC(2026, 2, 1);
const history = 2400;
/** By record of the test. */
const fault = { from: 300, to: 340 };

/** Flow, pressure and temperature of a plant, every ten seconds. */
function plant(count: number, seed = 1): Row[] {
  const { normal } = createRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const load = Math.sin(i / 20);
    return {
      flow: 10 + 2 * load + 0.1 * normal(),
      pressure: 5 + load + 0.05 * normal(),
      temp: 60 + 0.5 * normal(),
    };
  });
}

function evaluate(
  rows: readonly Row[],
  print: (value: number, record: number) => string = String,
): Promise<SeriesOutcome> {
  const names = Object.keys(rows[0]!);
  const lines = rows.map((row, i) =>
    [
      new Date(start + i * 10_000).toISOString(),
      ...names.map((name) => (row[name] === undefined ? '' : print(row[name], i))),
    ].join(','),
  );
  return evaluateLines({
    detector: 'detector: any',
    overrides: { 'training.minRecords': '200', 'training.epochs': '15' },
    columns: ['timestamp', ...names],
    train: lines.slice(0, history),
    test: lines.slice(history),
  });
}

const overlapping = ({ events }: SeriesOutcome, { from, to }: typeof fault): number =>
  events.filter(({ first, last }) => first <= to && last >= from).length;

test('a counter among the channels does not hide a fault of another one, and its resets are none', async () => {
  const { normal } = createRandom(4);
  const rows: Row[] = plant(history + 900).map((row, i) => ({
    ...row,
    bytes_total: Math.round((i < history + 600 ? 5e6 : -4.4985e6) + 1500 * i + 50 * normal()),
  }));
  for (let i = fault.from; i < fault.to; i++) rows[history + i]!['pressure']! += 0.7;
  const outcome = await evaluate(rows);
  expect(outcome.counters).toEqual(['bytes_total']);
  expect(overlapping(outcome, fault)).toBe(1);
  expect(overlapping(outcome, { from: 590, to: 640 })).toBe(0);
}, 60_000);

test.each([
  ['a level', 1.7e9, 1],
  ['a frequency', 1e7, 0.001],
  ['a position', -4e12, 0.5],
])(
  '%s of %d that moves by %d is no constant: sixty times that is a fault',
  async (_, level, step) => {
    const { normal } = createRandom(9);
    const rows: Row[] = plant(history + 500).map((row, i) => ({
      ...row,
      fine: level + step * (normal() + (i >= history + fault.from && i < history + fault.to ? 60 : 0)),
    }));
    const outcome = await evaluate(rows, (value) => value.toFixed(5));
    expect(overlapping(outcome, fault)).toBe(1);
  },
  60_000,
);

test.each([3, 10, 20])(
  'a channel that reports in one of %d records has one event for one fault',
  async (every) => {
    const long = { from: 300, to: 600 };
    const rows: Row[] = plant(history + 700);
    rows.forEach((row, i) => {
      if (i >= history + long.from && i < history + long.to) row['pressure']! += 4;
      if (i % every !== 0) row['pressure'] = undefined;
    });
    expect(overlapping(await evaluate(rows), long)).toBe(1);
  },
  60_000,
);

test.each([
  [6, 1],
  [6, 2],
  [1, 6],
])(
  'values of %d digits and then of %d are no fault',
  async (before, after) => {
    const outcome = await evaluate(plant(history + 600, 5), (value, i) =>
      value.toFixed(i < history ? before : after),
    );
    expect(outcome.events).toEqual([]);
  },
  60_000,
);
