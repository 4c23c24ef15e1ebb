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
import { Partitioning, sendToPartition } from './partitioning';
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

/** Messages of a partition that are not sent, and the error of the first request. */
interface Unsent {
  messages: readonly Outgoing[];
  error: unknown;
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
  const partitioning = new Partitioning();
  let connected: Promise<Producer> | undefined;
  let closed = false;

  async function connect(): Promise<Producer> {
    const producer = createProducer(kafka, partitioning);
    await producer.connect();
    return producer;
  }

  async function send(outgoing: readonly Outgoing[]): Promise<void> {
    const producer = await (connected ??= connect());
    await sendToPartition(producer, requestOf(outgoing, settings));
  }

  /**
   * After a failed request, the sequence numbers of kafkajs may differ from the broker's, so the next request uses a new
   * producer.
   */
  function discardProducer(): void {
    void connected?.then((producer) => producer.disconnect()).catch(() => undefined);
    connected = undefined;
  }

  /** Sends messages of one partition in order. Returns those that have failed or come after them, with the error. */
  async function sendInOrder(group: readonly Outgoing[]): Promise<Unsent | undefined> {
    const requests = [...inRequests(group, maxRequestBytes)];
    for (const [i, request] of requests.entries()) {
      try {
        await send(request);
      } catch (error) {
        return { messages: requests.slice(i).flat(), error };
      }
    }
    return undefined;
  }

  /** Sends groups of one partition each at the same time, and again in turn what the broker has rejected for its size. */
  async function sendRound(groups: readonly Outgoing[][]): Promise<void> {
    const unsent = (await Promise.all(groups.map(sendInOrder))).filter((one) => one !== undefined);
    if (unsent.length === 0) return;
    discardProducer();
    const other = unsent.find(({ error }) => !isTooLarge(error));
    if (other !== undefined) throw other.error;
    for (const { messages, error } of unsent) await sendSmaller(messages, error);
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
        for (const round of partitioning.rounds(outbox.outgoing(batch))) await sendRound(round);
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
