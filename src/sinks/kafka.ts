/** Verdicts to Kafka: detections and events to one topic, dead letters to another. */
import { CompressionTypes, Partitioners } from 'kafkajs';
import type { Kafka, Message, Producer } from 'kafkajs';
import { encodeDeadLetter, encodeDetection, encodeEvent, sizeOf } from './kafka-messages';
import type { DeadLetter, Sink } from './sink';

export interface KafkaSinkSettings {
  detectionsTopic: string;
  deadLetterTopic: string;
  /** Which detections are written; events and dead letters always are. */
  emit: 'all' | 'anomalies';
  /** What all messages are packed with; none unless it is said. */
  compression?: keyof typeof compressionTypes;
}

const compressionTypes = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

export interface KafkaSinkOptions {
  kafka: Kafka;
  settings: KafkaSinkSettings;
  /** Messages of one request, bytes; a single larger one goes alone. Below the broker's `message.max.bytes`. */
  maxRequestBytes?: number;
  /** Longer values of dead letters are cut, bytes. What the broker refuses all the same is cut further. */
  maxDeadLetterBytes?: number;
}

/** One message on its way, and what to make of it when the broker finds it too large. */
interface Outgoing {
  topic: string;
  message: Message;
  letter: DeadLetter | undefined;
}

/** How often kafkajs tries a request before `write()` rejects; the batch comes again then. */
const retry = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 };

/**
 * Kafka as a sink. `write()` resolves when all in-sync replicas have the verdicts and rejects when they may not:
 * the batch then comes again and may be written twice. The first write connects.
 */
export function createKafkaSink(options: KafkaSinkOptions): Sink {
  const { kafka, settings, maxRequestBytes = 700_000 } = options;
  let deadLetterBytes = options.maxDeadLetterBytes ?? 900_000;
  let connected: Promise<Producer> | undefined;
  let closed = false;

  async function connect(): Promise<Producer> {
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry,
    });
    await producer.connect();
    return producer;
  }

  async function send(outgoing: readonly Outgoing[]): Promise<void> {
    const producer = await (connected ??= connect());
    const topics = [...new Set(outgoing.map(({ topic }) => topic))];
    await producer.sendBatch({
      acks: -1,
      compression: compressionTypes[settings.compression ?? 'none'],
      topicMessages: topics.map((topic) => ({
        topic,
        messages: outgoing.filter((one) => one.topic === topic).map(({ message }) => message),
      })),
    });
  }

  /** After a failed request kafkajs' sequence numbers may no longer fit the broker's: the next one has a new producer. */
  function discardProducer(): void {
    void connected?.then((producer) => producer.disconnect()).catch(() => undefined);
    connected = undefined;
  }

  async function sendFitting(outgoing: readonly Outgoing[]): Promise<void> {
    try {
      await send(outgoing);
    } catch (error) {
      discardProducer();
      if (!isTooLarge(error)) throw error;
      await sendSmaller(outgoing, error);
    }
  }

  /** Halves what the broker found too large, until single dead letters are left, and then cuts these. */
  async function sendSmaller(outgoing: readonly Outgoing[], error: unknown): Promise<void> {
    if (outgoing.length > 1) {
      const middle = Math.ceil(outgoing.length / 2);
      await sendFitting(outgoing.slice(0, middle));
      await sendFitting(outgoing.slice(middle));
      return;
    }
    const letter = outgoing[0]?.letter;
    const bytes = Math.min(letter?.value?.length ?? 0, deadLetterBytes);
    if (letter === undefined || bytes === 0) throw error;
    deadLetterBytes = bytes < 1_024 ? 0 : Math.floor(bytes / 2);
    await sendFitting([deadLetter(letter)]);
  }

  const deadLetter = (letter: DeadLetter): Outgoing => ({
    topic: settings.deadLetterTopic,
    message: encodeDeadLetter(letter, deadLetterBytes),
    letter,
  });
  const verdict = (message: Message): Outgoing => ({
    topic: settings.detectionsTopic,
    message,
    letter: undefined,
  });

  return {
    name: 'kafka',
    async write({ detections, events, deadLetters }) {
      if (closed) throw new Error('the Kafka sink is closed');
      const wanted = settings.emit === 'all' ? detections : detections.filter(({ anomalous }) => anomalous);
      const outgoing = [
        ...wanted.map((detection) => verdict(encodeDetection(detection))),
        ...events.map((event) => verdict(encodeEvent(event))),
        ...deadLetters.map(deadLetter),
      ];
      for (const request of inRequests(outgoing, maxRequestBytes)) await sendFitting(request);
    },
    async close() {
      closed = true;
      const producer = await connected?.catch(() => undefined);
      connected = undefined;
      await producer?.disconnect();
    },
  };
}

/** One request as a rule; the broker limits what it takes at once, and kafkajs does not divide. */
function* inRequests(outgoing: readonly Outgoing[], maxBytes: number): Generator<Outgoing[]> {
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

/** The broker's refusal, wherever in kafkajs' chain of causes it stands. */
function isTooLarge(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (
      (at as { type?: unknown }).type === 'MESSAGE_TOO_LARGE' ||
      (at as { type?: unknown }).type === 'RECORD_LIST_TOO_LARGE'
    ) {
      return true;
    }
  }
  return false;
}
