/** Messages of a batch: their topics, their requests, and smaller versions of those that are too large. */
import { CompressionTypes } from 'kafkajs';
import type { Message, ProducerBatch } from 'kafkajs';
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

/** One message. It contains a dead letter, if any, which may be cut when the broker rejects the message for its size. */
export interface Outgoing {
  topic: string;
  message: Message;
  letter: DeadLetter | undefined;
}

export function createOutbox(settings: KafkaSinkSettings) {
  /** Limit for values of dead letters; halved when the broker rejects one. */
  let deadLetterBytes = 900_000;
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
    /** The messages of a batch, in order. */
    outgoing({ detections, events, deadLetters }: DetectionBatch): Outgoing[] {
      const wanted = settings.emit === 'all' ? detections : detections.filter(({ anomalous }) => anomalous);
      return [
        ...wanted.map((detection) => output(encodeDetection(detection))),
        ...events.map((event) => output(encodeEvent(event))),
        ...deadLetters.map(deadLetter),
      ];
    },
    /**
     * A smaller version of a message that is too large; undefined if nothing can be cut. The limit applies to later dead
     * letters, too.
     */
    cut({ letter }: Outgoing): Outgoing | undefined {
      const bytes = Math.min(letter?.value?.length ?? 0, deadLetterBytes);
      if (letter === undefined || bytes === 0) return undefined;
      deadLetterBytes = bytes < 1_024 ? 0 : Math.floor(bytes / 2);
      return deadLetter(letter);
    },
  };
}

/** A request of kafkajs that sends the messages, which have one topic, acknowledged by all in-sync replicas. */
export function requestOf(outgoing: readonly Outgoing[], { compression }: KafkaSinkSettings): ProducerBatch {
  return {
    acks: -1,
    compression: compressionTypes[compression ?? 'none'],
    topicMessages: [{ topic: outgoing[0]!.topic, messages: outgoing.map(({ message }) => message) }],
  };
}

export function bytesOf(outgoing: readonly Outgoing[]): number {
  return outgoing.reduce((sum, { message }) => sum + sizeOf(message), 0);
}

/** Divides messages into requests, usually one: the broker limits their size, and kafkajs does not divide them. */
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

/** Whether the broker has rejected a request for its size; kafkajs may wrap the error. */
export function isTooLarge(error: unknown): boolean {
  const types = [...causesOf(error)].map((cause) => (cause as { type?: unknown }).type);
  return types.includes('MESSAGE_TOO_LARGE') || types.includes('RECORD_LIST_TOO_LARGE');
}
