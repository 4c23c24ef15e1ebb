/** Kafka clients of a detector, in the daemon and in commands. */
import type { Kafka } from 'kafkajs';
import { sinkConnection } from '../config/rules';
import type { DetectorSettings, KafkaSettings } from '../config/settings';
import { createKafkaClient, type KafkaLog } from '../kafka/client';

/** What a client outside the daemon is used for; brokers see it as the suffix of the client id. */
type Purpose = 'train' | 'replay';

const withPurpose = (clientId: string, purpose: Purpose | undefined): string =>
  purpose === undefined ? clientId : `${clientId}-${purpose}`;

/** Client of the cluster that records are read from. */
export function createSourceClient(source: KafkaSettings, log: KafkaLog, purpose?: Purpose): Kafka {
  return createKafkaClient({ ...source, clientId: withPurpose(source.clientId, purpose), log });
}

/** Client of the cluster that detections are written to. */
export function createSinkClient(settings: DetectorSettings, log: KafkaLog, purpose?: Purpose): Kafka {
  const { source } = settings;
  const clientId = source.kind === 'kafka' ? source.kafka.clientId : 'vaemon';
  return createKafkaClient({ ...sinkConnection(settings), clientId: withPurpose(clientId, purpose), log });
}
