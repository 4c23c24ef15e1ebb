/** How the Kafka sink connects. */
import type { KafkaConnectionSettings } from '../../kafka/connection-settings';
import type { SourceSettings } from '../../sources/sources';

/** Its own brokers, or the connection of the source. Credentials go to no other cluster. */
export function sinkConnection(
  sink: KafkaConnectionSettings,
  source: SourceSettings,
): KafkaConnectionSettings & { clientId: string } {
  const clientId = source.kind === 'kafka' ? source.kafka.clientId : 'vaemon';
  return sink.brokers.length > 0 || source.kind !== 'kafka' ? { ...sink, clientId } : source.kafka;
}
