/** Detections, events and dead letters as Kafka messages. */
import type { Message } from 'kafkajs';
import type { Detection } from '../../domain/detection';
import type { AnomalyEvent } from '../../domain/event';
import { eventDocument, isoTime } from '../event-document';
import type { DeadLetter } from '../sink';

/** A detection, `{ detector, key, timestamp (ISO), timestampMs, surprise, …, source }`, with the key of its record. */
export function encodeDetection(detection: Detection): Message {
  const { detector, key, timestamp, origin, ...rest } = detection;
  const value = {
    detector,
    key,
    timestamp: isoTime(timestamp),
    timestampMs: timestamp,
    ...rest,
    // The offset is text: JSON readers lose numbers above 2^53.
    source: {
      topic: origin.topic,
      partition: origin.partition,
      offset: origin.offset,
      ...(origin.file !== undefined && { file: origin.file }),
    },
  };
  return { key, value: JSON.stringify(value), headers: { type: 'detection', detector } };
}

/** Encodes an event, open or closed, as its `eventDocument`, with the key of its records. */
export function encodeEvent(event: AnomalyEvent): Message {
  return {
    key: event.key,
    value: JSON.stringify(eventDocument(event)),
    headers: { type: 'event', detector: event.detector },
  };
}

/**
 * Encodes a rejected record unchanged, with the reason and its origin in headers. A value longer than `maxValueBytes` is cut
 * and has the headers `truncated` and `original-bytes`; the record at its origin is complete.
 */
export function encodeDeadLetter(letter: DeadLetter, maxValueBytes: number): Message {
  const { detector, reason, message, origin, key, value } = letter;
  const headers: Record<string, string> = {
    type: 'dead-letter',
    detector,
    reason,
    // Bounded, as the message may quote the record.
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

/** Upper estimate of the message's size in a record batch, bytes. */
export function sizeOf({ key, value, headers = {} }: Message): number {
  const lengthOf = (part: Buffer | string | null | undefined) => (part == null ? 0 : Buffer.byteLength(part));
  const headerBytes = Object.entries(headers).map(
    ([name, text]) => 10 + lengthOf(name) + lengthOf(text as string),
  );
  return 40 + lengthOf(key) + lengthOf(value) + headerBytes.reduce((sum, bytes) => sum + bytes, 0);
}
