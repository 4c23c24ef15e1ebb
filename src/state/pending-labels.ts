/** Labels that take effect on the events and baselines of a partition, each after the record at a given offset. */
import type { AnomalyEvent, EventLabel } from '../domain/event';
import type { Label } from '../domain/label';
import type { Contents } from './contents';
import type { StateRules } from './rules';
import type { RecordedLabel } from './snapshot';

/** Labels that have an effect from the next record on, except those that are pending. */
export function newLabels({ events, labels, to: after }: Contents, given: readonly Label[]): RecordedLabel[] {
  return events
    .labelled(given)
    .filter(({ event }) => !labels.some((one) => one.event === event))
    .map((label) => ({ ...label, after }));
}

/**
 * Adds the labels that have an effect from the next record on.
 * @param record stores them, so that a restart applies them at the same record
 */
export async function addLabels(
  contents: Contents,
  { labels, onLabel }: Pick<StateRules, 'labels' | 'onLabel'>,
  record: (found: readonly RecordedLabel[]) => Promise<void>,
): Promise<void> {
  const found = labels === undefined ? [] : newLabels(contents, labels());
  if (found.length === 0) return;
  contents.labels = [...contents.labels, ...found];
  await record(found);
  found.forEach((label) => onLabel?.(label));
}

/** Applies the labels before the record at `offset`. Returns the events that end by them. */
export function takeLabels(contents: Contents, offset: bigint): readonly AnomalyEvent[] {
  const due = contents.labels.filter(({ after }) => after < offset);
  if (due.length === 0) return [];
  contents.labels = contents.labels.filter(({ after }) => after >= offset);
  return due.flatMap((label) => apply(contents, label));
}

function apply({ events, baselines }: Contents, label: EventLabel): readonly AnomalyEvent[] {
  const { events: ended, undone, accepted } = events.label(label);
  // Baselines of another version may have begun since.
  if (undone !== undefined && undone.modelVersion === baselines?.version)
    baselines.peek(undone.key)?.undo(undone.since, undone.mark);
  for (const { key, records, at } of accepted ?? []) baselines?.peek(key)?.accept(records, at);
  return ended;
}
