/** Messages of a batch: their topics, their requests, and smaller versions of those that are too large. */
import { CompressionTypes } from 'kafkajs';
import type { Message, TopicMessages } from 'kafkajs';
import { causesOf } from '../../errors';
import { encodeDeadLetter, encodeDetection, encodeEvent, sizeOf } from './messages';
import type { DeadLetter, DetectionBatch } from '../sink';

export interface KafkaSinkSettings {
  detectionsTopic: string;
  deadLetterTopic: string;
  /** Which detections are written; events and dead letters are always written. */
  emit: 'all' | 'anomalies';
  /** Compression of all messages; default none. */
  compression?: keyof typeof compressionTypes;
}

const compressionTypes = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

export function compressionOf({ compression }: KafkaSinkSettings): CompressionTypes {
  return compressionTypes[compression ?? 'none'];
}

/** One message, and the dead letter in it, which may be cut if the broker refuses the message for its size. */
export interface Outgoing {
  topic: string;
  message: Message;
  letter: DeadLetter | undefined;
}

export interface Outbox {
  /** The messages of a batch, in order. */
  outgoing(batch: DetectionBatch): Outgoing[];
  /** A smaller version of a message that is too large; later dead letters get its limit. Undefined if nothing can be cut. */
  cut(one: Outgoing): Outgoing | undefined;
}

/** First limit for values of dead letters, bytes. */
const defaultDeadLetterBytes = 900_000;

export function createOutbox(
  settings: KafkaSinkSettings,
  maxDeadLetterBytes = defaultDeadLetterBytes,
): Outbox {
  let deadLetterBytes = maxDeadLetterBytes;
  const deadLetter = (letter: DeadLetter): Outgoing => ({
    topic: settings.deadLetterTopic,
    message: encodeDeadLetter(letter, deadLetterBytes),
    letter,
  });
  const output = (message: Message): Outgoing => ({
    topic: settings.detectionsTopic,
    message,
    letter: undefined,
  });
  return {
    outgoing({ detections, events, deadLetters }) {
      const wanted = settings.emit === 'all' ? detections : detections.filter(({ anomalous }) => anomalous);
      return [
        ...wanted.map((detection) => output(encodeDetection(detection))),
        ...events.map((event) => output(encodeEvent(event))),
        ...deadLetters.map(deadLetter),
      ];
    },
    cut({ letter }) {
      const bytes = Math.min(letter?.value?.length ?? 0, deadLetterBytes);
      if (letter === undefined || bytes === 0) return undefined;
      deadLetterBytes = bytes < 1_024 ? 0 : Math.floor(bytes / 2);
      return deadLetter(letter);
    },
  };
}

/** Messages grouped by topic, as kafkajs takes them. */
export function byTopic(outgoing: readonly Outgoing[]): TopicMessages[] {
  const topics = [...new Set(outgoing.map(({ topic }) => topic))];
  return topics.map((topic) => ({
    topic,
    messages: outgoing.filter((one) => one.topic === topic).map(({ message }) => message),
  }));
}

export function bytesOf(outgoing: readonly Outgoing[]): number {
  return outgoing.reduce((sum, { message }) => sum + sizeOf(message), 0);
}

/** Divides messages into requests, usually one: the broker limits their size, and kafkajs does not divide. */
export function* inRequests(outgoing: readonly Outgoing[], maxBytes: number): Generator<Outgoing[]> {
  let request: Outgoing[] = [];
  let bytes = 0;
  for (const one of outgoing) {
    const size = sizeOf(one.message);
    if (request.length > 0 && bytes + size > maxBytes) {
      yield request;
      request = [];
      bytes = 0;
    }
    request.push(one);
    bytes += size;
  }
  if (request.length > 0) yield request;
}

/** Whether the broker has refused a request for its size; kafkajs may wrap the error. */
export function isTooLarge(error: unknown): boolean {
  for (const cause of causesOf(error)) {
    const { type } = cause as { type?: unknown };
    if (type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE') return true;
  }
  return false;
}
