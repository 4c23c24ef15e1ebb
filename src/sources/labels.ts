/**
 * Labels that people give to stretches of records. They come from a CSV file (`start,end`, optionally `key` and `label`), or
 * from a Kafka topic (JSON objects with the same fields; a later message with the same key replaces an earlier one, and one
 * without a value deletes it).
 */
import type { Kafka } from 'kafkajs';
import { labelNames, type Label, type LabelName } from '../domain/label';
import { parseTime, TimeError, type TimestampFormat } from '../domain/time';
import { readCsvTable } from './file/csv';
import { findRanges, readKafkaRanges } from './kafka/history';
import { keepNewest } from './kafka/offsets';
import type { Message } from './source';

/** Format of the times, the same as in the records. */
export interface LabelTimes {
  timestampFormat: TimestampFormat;
  /** Time zone for times that state none; absent or empty = such times are rejected. */
  timeZone?: string | undefined;
}

const ownTimes: LabelTimes = { timestampFormat: 'auto' };

/** @throws Error that contains the name of the invalid field */
function parseLabel(row: Readonly<Record<string, unknown>>, times: LabelTimes): Label {
  const from = timeOf(row, 'start', times);
  const to = timeOf(row, 'end', times);
  if (!(from <= to)) throw new Error('start and end must be times, start not after end');
  const { key = '', label = 'anomaly' } = row;
  if (typeof key !== 'string')
    throw new Error(`key must be the name of a device (got ${JSON.stringify(key)})`);
  const name = label === '' ? 'anomaly' : label;
  if (!isLabelName(name)) {
    const names = labelNames.map((one) => `\`${one}\``).join(', ');
    throw new Error(`label must be one of ${names} (got ${JSON.stringify(label)})`);
  }
  return { key, from, to, label: name };
}

const isLabelName = (name: unknown): name is LabelName => labelNames.some((one) => one === name);

function timeOf(
  row: Readonly<Record<string, unknown>>,
  name: 'start' | 'end',
  { timestampFormat, timeZone }: LabelTimes,
): number {
  try {
    return parseTime(row[name], timestampFormat, timeZone);
  } catch (error) {
    if (!(error instanceof TimeError)) throw error;
    throw new Error(`start and end must be times, start not after end: ${name} ${error.message}`, {
      cause: error,
    });
  }
}

/** @throws Error that contains the file and the line */
export async function readLabelFile(path: string, times: LabelTimes = ownTimes): Promise<Label[]> {
  const rows = await readCsvTable(path).catch((cause: unknown) => {
    throw new Error(`training.labels.file: ${(cause as Error).message}`, { cause });
  });
  return rows.map(({ line, cells }) => {
    try {
      return parseLabel(cells, times);
    } catch (cause) {
      throw new Error(`${path}:${line}: ${(cause as Error).message}`, { cause });
    }
  });
}

export interface LabelTopic {
  kafka: Kafka;
  settings: { topic: string; groupId: string };
  /** Absent = times are ISO 8601 with a zone, or Unix times. */
  times?: LabelTimes;
  /** Called for each message that is not a valid label; it is ignored. */
  onBadLabel: (origin: Message['origin'], reason: string) => void;
  /** Called if the topic could not be read to its end. */
  onUnread: () => void;
}

/** Maximum number of messages that are read, the newest ones. */
const maxLabels = 100_000;

/** Reads the labels of a topic repeatedly: each call reads the messages since the last one. */
export function createTopicLabels({ onBadLabel, times = ownTimes, ...reading }: LabelTopic) {
  const { kafka, settings } = reading;
  let labels = new Map<string, Label>();
  /** By partition, the first offset that has not been read. */
  let next = new Map<number, bigint>();

  function take({ key, value, origin }: Message): void {
    // A message without a key is never replaced.
    const id = key === null ? `${origin.partition}/${origin.offset}` : `key ${key.toString('hex')}`;
    labels.delete(id);
    if (value === null) return;
    try {
      const row: unknown = JSON.parse(value.toString());
      if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new Error('not a JSON object');
      labels.set(id, parseLabel(row as Record<string, unknown>, times));
    } catch (error) {
      onBadLabel(origin, (error as Error).message);
    }
  }

  return {
    /** @throws Error if Kafka cannot be read */
    async read(): Promise<Label[]> {
      const ranges = await findRanges(kafka, settings.topic, { from: undefined, to: undefined });
      if (ranges.some(({ partition, end }) => end < (next.get(partition) ?? 0n))) {
        // The topic was recreated.
        labels = new Map();
        next = new Map();
      }
      const unread = ranges.map((range) => {
        const start = next.get(range.partition) ?? 0n;
        return start > range.start ? { ...range, start } : range;
      });
      for await (const messages of readKafkaRanges(reading, keepNewest(unread, maxLabels))) {
        for (const message of messages) {
          take(message);
          next.set(message.origin.partition, BigInt(message.origin.offset) + 1n);
        }
      }
      return [...labels.values()];
    },
  };
}
