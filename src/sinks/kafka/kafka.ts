/** Writes detections and events to one Kafka topic, and dead letters to another. */
import type { Kafka, Producer } from 'kafkajs';
import {
  createOutbox,
  inRequests,
  isTooLarge,
  requestOf,
  type KafkaSinkSettings,
  type Outgoing,
} from './outbox';
import { toError } from '../../system/error-text';
import { createProducer } from './producer';
import type { Sink } from '../sink';

export interface KafkaSinkOptions {
  kafka: Kafka;
  settings: KafkaSinkSettings;
  /** Turns an error of kafkajs into one that contains the topics and the cause. Never rejects. */
  explain?: (error: unknown) => Promise<Error>;
  /** Maximum size of a request, bytes, below the broker's `message.max.bytes`; a larger message is sent alone. */
  maxRequestBytes?: number;
}

/**
 * Creates the sink. `write()` resolves once all in-sync replicas have the messages. It rejects if they may not have them; the batch
 * is then delivered again and may be written twice. The first write connects.
 */
export function createKafkaSink({
  kafka,
  settings,
  explain = (error) => Promise.resolve(toError(error)),
  maxRequestBytes = 700_000,
}: KafkaSinkOptions): Sink {
  const outbox = createOutbox(settings);
  let connected: Promise<Producer> | undefined;
  let closed = false;

  async function connect(): Promise<Producer> {
    const producer = createProducer(kafka);
    await producer.connect();
    return producer;
  }

  async function send(outgoing: readonly Outgoing[]): Promise<void> {
    const producer = await (connected ??= connect());
    await producer.sendBatch(requestOf(outgoing, settings));
  }

  /**
   * After a failed request, the sequence numbers of kafkajs may differ from the broker's, so the next request uses a new
   * producer.
   */
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

  /** Halves a request that the broker has rejected for its size; a single dead letter is cut. */
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
    async write(batch) {
      if (closed) throw new Error('the Kafka sink is closed');
      try {
        for (const request of inRequests(outbox.outgoing(batch), maxRequestBytes)) await sendFitting(request);
      } catch (error) {
        throw await explain(error);
      }
    },
    async close() {
      closed = true;
      const producer = await connected?.catch(() => undefined);
      connected = undefined;
      await producer?.disconnect();
    },
  };
}
