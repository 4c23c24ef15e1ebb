/** Clients of the cluster that records are read from. */
import type { Kafka } from 'kafkajs';
import { createKafkaClient, type KafkaConnection, type KafkaLog } from '../../kafka/client';

/** Use of a client outside of the daemon; brokers see it as the suffix of the client id. */
export type ClientPurpose = 'train' | 'replay';

export function createSourceClient(
  source: KafkaConnection & { clientId: string },
  log: KafkaLog,
  purpose?: ClientPurpose,
): Kafka {
  const { clientId } = source;
  return createKafkaClient({
    ...source,
    clientId: purpose === undefined ? clientId : `${clientId}-${purpose}`,
    log,
  });
}
