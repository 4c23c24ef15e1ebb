/** Detects records of several kinds in one source, such as the measurements of a collector: each kind has its own fields. */
import { countKinds, distinctValues, pathText, type Column, type Sample } from './sample';

export interface Kinds {
  /** Field that contains the kind. */
  field: string;
  /** Share of the records by kind, the most frequent first. */
  shares: readonly (readonly [kind: string, share: number])[];
}

const maxKinds = 50;
/** A channel may occur in this share of the records of other kinds. */
const maxElsewhere = 0.02;
/** Smallest share of the channels that must belong to one kind alone. */
const minOwn = 0.5;

/**
 * @param channels that may occur in records of one kind alone
 * @returns undefined if all records are of one kind
 */
export function findKinds(sample: Sample, channels: readonly Column[]): Kinds | undefined {
  // If nearly every record has all channels, there is only one kind.
  if (channels.every((column) => countKinds(column).absent <= 0.1 * sample.records)) return undefined;
  for (const column of sample.columns) {
    const { texts } = countKinds(column);
    if (texts < 0.99 * sample.records) continue;
    const { values, isMore } = distinctValues(column.values, maxKinds);
    if (isMore || values.size < 2) continue;
    const own = channels.filter((channel) => belongsToOne(channel, column)).length;
    if (own < minOwn * channels.length) continue;
    const counts = new Map<string, number>();
    for (const value of column.values) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
    return {
      field: pathText(column.path),
      shares: [...counts].sort((a, b) => b[1] - a[1]).map(([kind, n]) => [kind, n / sample.records]),
    };
  }
  return undefined;
}

/** Whether nearly all values of a channel are in records with one value of a field. */
function belongsToOne(channel: Column, field: Column): boolean {
  const counts = new Map<unknown, number>();
  let present = 0;
  channel.values.forEach((value, i) => {
    if (value === undefined || value === null) return;
    present++;
    counts.set(field.values[i], (counts.get(field.values[i]) ?? 0) + 1);
  });
  return present > 0 && Math.max(...counts.values()) >= (1 - maxElsewhere) * present;
}
