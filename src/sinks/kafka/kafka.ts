/** Verdicts to Kafka: detections and events to one topic, dead letters to another. */
import { Partitioners } from 'kafkajs';
import type { Kafka, Producer } from 'kafkajs';
import {
  byTopic,
  compressionOf,
  createOutbox,
  inRequests,
  isTooLarge,
  type KafkaSinkSettings,
  type Outgoing,
} from './outbox';
import type { Sink } from '../sink';

export interface KafkaSinkOptions {
  kafka: Kafka;
  settings: KafkaSinkSettings;
  /** Messages of one request, bytes; a single larger one goes alone. Below the broker's `message.max.bytes`. */
  maxRequestBytes?: number;
  /** Longer values of dead letters are cut, bytes. What the broker refuses all the same is cut further. */
  maxDeadLetterBytes?: number;
}

/** How often kafkajs tries a request before `write()` rejects; the batch comes again then. */
const retry = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 };

/**
 * Kafka as a sink. `write()` resolves when all in-sync replicas have the verdicts and rejects when they may not:
 * the batch then comes again and may be written twice. The first write connects.
 */
export function createKafkaSink(options: KafkaSinkOptions): Sink {
  const { kafka, settings, maxRequestBytes = 700_000 } = options;
  const outbox = createOutbox(settings, options.maxDeadLetterBytes);
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
    await producer.sendBatch({
      acks: -1,
      compression: compressionOf(settings),
      topicMessages: byTopic(outgoing),
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
    const smaller = outgoing[0] && outbox.cut(outgoing[0]);
    if (smaller === undefined) throw error;
    await sendFitting([smaller]);
  }

  return {
    name: 'kafka',
    anomaliesOnly: settings.emit === 'anomalies',
    async write(verdicts) {
      if (closed) throw new Error('the Kafka sink is closed');
      for (const request of inRequests(outbox.outgoing(verdicts), maxRequestBytes))
        await sendFitting(request);
    },
    async close() {
      closed = true;
      const producer = await connected?.catch(() => undefined);
      connected = undefined;
      await producer?.disconnect();
    },
  };
}
