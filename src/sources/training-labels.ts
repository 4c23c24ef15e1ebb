/**
 * Labels of past records: times that training must leave out, and times that it must use although there were alarms. From a CSV
 * file (`start,end`, optionally `key` and `label`), or from a Kafka topic (the same as a JSON object; a later message with the same
 * key replaces an earlier one, and one without a value deletes it).
 */
import type { Kafka } from 'kafkajs';
import { parseTime, TimeError, type TimestampUnit } from '../domain/time';
import { readCsvTable } from './file/csv';
import { findRanges, readKafkaRanges } from './kafka/history';
import { keepNewest } from './kafka/offsets';
import type { Message } from './source';

export interface TrainingLabel {
  /** Device; empty = all, for example while a plant is serviced. */
  key: string;
  /** Event time, Unix ms, both ends included. */
  from: number;
  to: number;
  /** `anomaly` is left out of training; `normal` is used, even with alarms. */
  label: 'anomaly' | 'normal';
}

/** @throws Error that names the wrong field */
function parseLabel(row: Readonly<Record<string, unknown>>, unit: TimestampUnit): TrainingLabel {
  const from = timeOf(row, 'start', unit);
  const to = timeOf(row, 'end', unit);
  if (!(from <= to)) throw new Error('start and end must be times, start not after end');
  const { key = '', label = 'anomaly' } = row;
  if (typeof key !== 'string')
    throw new Error(`key must be the name of a device (got ${JSON.stringify(key)})`);
  if (label !== 'anomaly' && label !== 'normal' && label !== '')
    throw new Error(`label must be \`anomaly\` or \`normal\` (got ${JSON.stringify(label)})`);
  return { key, from, to, label: label === '' ? 'anomaly' : label };
}

function timeOf(row: Readonly<Record<string, unknown>>, name: 'start' | 'end', unit: TimestampUnit): number {
  try {
    return parseTime(row[name], unit);
  } catch (error) {
    if (!(error instanceof TimeError)) throw error;
    throw new Error(`start and end must be times, start not after end: ${name} ${error.message}`, {
      cause: error,
    });
  }
}

/** @throws Error that names the file and the line */
export async function readLabelFile(path: string, unit: TimestampUnit = 'auto'): Promise<TrainingLabel[]> {
  const rows = await readCsvTable(path).catch((cause: unknown) => {
    throw new Error(`training.labels.file: ${(cause as Error).message}`, { cause });
  });
  return rows.map(({ line, cells }) => {
    try {
      return parseLabel(cells, unit);
    } catch (cause) {
      throw new Error(`${path}:${line}: ${(cause as Error).message}`, { cause });
    }
  });
}

export interface LabelTopic {
  kafka: Kafka;
  settings: { topic: string; groupId: string };
  /** Unit of Unix times; absent = `auto`. */
  unit?: TimestampUnit;
  /** Called for each message that is no label; it has no effect. */
  onBadLabel: (origin: Message['origin'], reason: string) => void;
  /** Called if the topic could not be read to its end. */
  onUnread: () => void;
}

/** Newest messages that are read; people write few labels. */
const maxLabels = 100_000;

/** @throws Error if Kafka cannot be read */
export async function readLabelTopic({
  onBadLabel,
  unit = 'auto',
  ...reading
}: LabelTopic): Promise<TrainingLabel[]> {
  const { kafka, settings } = reading;
  const ranges = await findRanges(kafka, settings.topic, { from: undefined, to: undefined });
  const labels = new Map<string, TrainingLabel>();
  for await (const messages of readKafkaRanges(reading, keepNewest(ranges, maxLabels))) {
    for (const { key, value, origin } of messages) {
      // A message without a key is never replaced.
      const id = key === null ? `${origin.partition}/${origin.offset}` : `key ${key.toString('hex')}`;
      labels.delete(id);
      if (value === null) continue;
      try {
        const row: unknown = JSON.parse(value.toString());
        if (typeof row !== 'object' || row === null || Array.isArray(row))
          throw new Error('not a JSON object');
        labels.set(id, parseLabel(row as Record<string, unknown>, unit));
      } catch (error) {
        onBadLabel(origin, (error as Error).message);
      }
    }
  }
  return [...labels.values()];
}
