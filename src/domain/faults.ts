/**
 * Faults to put into normal records, to see whether a detector finds them. With x(t, j) the value of channel j in record t, f the
 * first record with the fault, n the records from there to the end, σ_j the scale of the channel, s the size and ε standard normal:
 *
 *     spike           x(f, j) ± s σ_j                         frozen         x(t, j) ← x(f − 1, j)   for s records
 *     shift           x(t, j) ± s σ_j                         frozen-device  the same, each channel
 *     drift           x(t, j) ± s σ_j (t − f + 1)/n           swapped        x(t, j) ↔ x(t, k)       for s records
 *     variance        x(t, j) + s σ_j ε_t                     dropout        x(t, j) ← 0             for s records
 *     decorrelated    x(t, j) ← low_j + high_j − x(t, j)      delay          x(t, j) ← x(t − s, j)
 *
 * with t ≥ f, one channel j, and [low_j, high_j] the range of the channel in the stretch: a mirrored channel stays within it.
 */
import type { Random } from '../tensor';
import type { Values } from './record';

/** Consecutive records of one device. */
export interface FaultSite {
  /** Values as measured; NaN = missing. Shape [records, width]. */
  values: Values;
  /** Values per record. */
  width: number;
  /** Row of the first record to get the fault. */
  from: number;
}

export interface FaultScales {
  /** Channels that faults may be put into. */
  channels: readonly number[];
  /** Standard deviations by channel. */
  scale: ArrayLike<number>;
}

export interface FaultDescription {
  /** Unit of `sizes`. */
  unit: string;
  /** Sizes of the fault, ascending. */
  sizes: readonly number[];
}

const inDeviations = (...sizes: number[]): FaultDescription => ({ unit: 'σ', sizes });
const inRecords = (...sizes: number[]): FaultDescription => ({ unit: 'records', sizes });

export const recordFaults = {
  spike: inDeviations(3, 6, 12),
  shift: inDeviations(1.5, 3, 6),
  drift: inDeviations(1.5, 3, 6),
  variance: inDeviations(1.5, 3, 6),
  frozen: inRecords(8, 32),
  'frozen-device': inRecords(8, 32),
  swapped: inRecords(2, 8),
  decorrelated: inRecords(8, 32),
  dropout: inRecords(1, 8),
  delay: inRecords(2, 8),
} as const satisfies Record<string, FaultDescription>;

export type RecordFault = keyof typeof recordFaults;
/**
 * The values of a site with a fault in one channel; some kinds change two channels, or all.
 * @returns undefined if the fault changes no record, such as a frozen channel that is constant anyway
 */
export function putFault(
  kind: RecordFault,
  size: number,
  site: FaultSite,
  { channels, scale }: FaultScales,
  random: Pick<Random, 'uniform' | 'normal' | 'shuffle'>,
): Values | undefined {
  const { width, from } = site;
  const order = Int32Array.from(channels);
  random.shuffle(order);
  const sign = random.uniform() < 0.5 ? -1 : 1;
  const records = site.values.length / width;
  /** End of the rows with the fault, if it lasts `size` records. */
  const until = Math.min(records, from + size);
  const x = site.values;

  function changed(rows: number, value: (row: number, j: number) => number, ...which: number[]) {
    const values = x.slice();
    let differs = false;
    for (let row = from; row < rows; row++)
      for (const j of which) {
        const at = row * width + j;
        // A missing value stays missing.
        if (Number.isNaN(x[at]!)) continue;
        values[at] = value(row, j);
        differs ||= values[at] !== x[at];
      }
    return differs ? values : undefined;
  }

  const at = (row: number, j: number): number => x[row * width + j]!;
  const moved = (by: (row: number, j: number) => number) => (row: number, j: number) =>
    at(row, j) + size * scale[j]! * by(row, j);
  /** Newest value of a channel up to a row. */
  const newest = (row: number, j: number): number => {
    let known = row;
    while (known > 0 && Number.isNaN(at(known, j))) known--;
    return at(Math.max(0, known), j);
  };
  const mirrored = (j: number) => {
    let [low, high] = [Infinity, -Infinity];
    for (let row = 0; row < records; row++) {
      low = Math.min(low, Number.isNaN(at(row, j)) ? low : at(row, j));
      high = Math.max(high, Number.isNaN(at(row, j)) ? high : at(row, j));
    }
    return changed(until, (row) => low + high - at(row, j), j);
  };
  const inOne: Record<
    Exclude<RecordFault, 'frozen-device' | 'swapped'>,
    (j: number) => Values | undefined
  > = {
    spike: (j) =>
      changed(
        from + 1,
        moved(() => sign),
        j,
      ),
    shift: (j) =>
      changed(
        records,
        moved(() => sign),
        j,
      ),
    drift: (j) =>
      changed(
        records,
        moved((row) => (sign * (row - from + 1)) / (records - from)),
        j,
      ),
    variance: (j) =>
      changed(
        records,
        moved(() => random.normal()),
        j,
      ),
    frozen: (j) => changed(until, () => newest(from - 1, j), j),
    decorrelated: mirrored,
    dropout: (j) => changed(until, () => 0, j),
    delay: (j) => changed(records, (row) => newest(Math.max(0, row - size), j), j),
  };

  if (kind === 'frozen-device')
    return changed(until, (_, j) => newest(from - 1, j), ...Array.from({ length: width }, (__, j) => j));
  if (kind === 'swapped') {
    const [j, k] = order;
    return k === undefined ? undefined : changed(until, (row, one) => newest(row, one === j ? k : j!), j!, k);
  }
  for (const j of order) {
    const values = inOne[kind](j);
    if (values !== undefined) return values;
  }
  return undefined;
}
