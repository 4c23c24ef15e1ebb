/** Verdicts as Kafka messages. */
import type { Message } from 'kafkajs';
import type { Detection } from '../../domain/detection';
import type { AnomalyEvent } from '../../domain/event';
import type { DeadLetter } from '../sink';

/** A detection: `{ detector, key, timestamp (ISO), timestampMs, surprise, …, source }`, keyed like its record. */
export function encodeDetection(detection: Detection): Message {
  const { detector, key, timestamp, origin, ...verdict } = detection;
  const value = {
    detector,
    key,
    timestamp: isoTime(timestamp),
    timestampMs: timestamp,
    ...verdict,
    // A number beyond 2^53 would not survive a JSON reader.
    source: { topic: origin.topic, partition: origin.partition, offset: origin.offset },
  };
  return { key, value: JSON.stringify(value), headers: { type: 'detection', detector } };
}

/** An event, open or closed: the fields of `AnomalyEvent`, its times as ISO and as Unix ms. */
export function encodeEvent(event: AnomalyEvent): Message {
  const { start, openedAt, end, peakAt, ...rest } = event;
  const value = {
    ...rest,
    start: isoTime(start),
    startMs: start,
    openedAt: isoTime(openedAt),
    openedAtMs: openedAt,
    end: isoTime(end),
    endMs: end,
    peakAt: isoTime(peakAt),
    peakAtMs: peakAt,
  };
  return {
    key: event.key,
    value: JSON.stringify(value),
    headers: { type: 'event', detector: event.detector },
  };
}

/**
 * The record as it was, why it was refused and where it came from. A value longer than `maxValueBytes` is cut, and
 * the headers `truncated` and `original-bytes` say so: the whole one is at its origin.
 */
export function encodeDeadLetter(letter: DeadLetter, maxValueBytes: number): Message {
  const { detector, reason, message, origin, key, value } = letter;
  const headers: Record<string, string> = {
    type: 'dead-letter',
    detector,
    reason,
    // The text may quote the record.
    message: message.slice(0, 1_000),
    'source-topic': origin.topic,
    'source-partition': String(origin.partition),
    'source-offset': origin.offset,
  };
  if (key !== null && key.length > maxKeyBytes) headers['truncated-key'] = 'true';
  if (value !== null && value.length > maxValueBytes) {
    headers['truncated'] = 'true';
    headers['original-bytes'] = String(value.length);
  }
  return {
    key: key?.subarray(0, maxKeyBytes) ?? null,
    value: value?.subarray(0, maxValueBytes) ?? null,
    headers,
  };
}

const maxKeyBytes = 4_096;

/** A date that JavaScript cannot write stays a number in the field beside this one. */
function isoTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** About what the message takes in a record batch, bytes: a little more, never less. */
export function sizeOf({ key, value, headers = {} }: Message): number {
  const lengthOf = (part: Buffer | string | null | undefined) => (part == null ? 0 : Buffer.byteLength(part));
  const headerBytes = Object.entries(headers).map(
    ([name, text]) => 10 + lengthOf(name) + lengthOf(text as string),
  );
  return 40 + lengthOf(key) + lengthOf(value) + headerBytes.reduce((sum, bytes) => sum + bytes, 0);
}
