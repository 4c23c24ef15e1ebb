/** Producers of the Kafka sinks: idempotent, in order, and transactional on demand. */
import type { Kafka, Producer, ProducerConfig } from 'kafkajs';
import type { Partitioning } from './partitioning';

/** @param transactions transactional id; a new producer with the same id fences the previous one */
export function createProducer(
  kafka: Kafka,
  { createPartitioner }: Partitioning,
  transactions?: Pick<ProducerConfig, 'transactionalId' | 'transactionTimeout'>,
): Producer {
  return kafka.producer({
    ...transactions,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner,
    // After these attempts `write()` rejects, and the batch is delivered again.
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 },
  });
}
