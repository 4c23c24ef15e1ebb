/** Producers of the Kafka sinks: idempotent, in order, and transactional on demand. */
import { Partitioners } from 'kafkajs';
import type { Kafka, Producer } from 'kafkajs';

export interface TransactionSettings {
  /** A new producer with the same id fences the previous one. */
  transactionalId: string;
  /** The broker aborts a transaction that is open for longer, ms. */
  transactionTimeout: number;
}

export function createProducer(kafka: Kafka, transactions?: TransactionSettings): Producer {
  return kafka.producer({
    ...transactions,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
    // After these attempts `write()` rejects, and the batch is delivered again.
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 },
  });
}
