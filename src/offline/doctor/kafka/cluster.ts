/** Facts about one cluster that its checks share, once its brokers answer. */
import type { Admin } from 'kafkajs';
import type { KafkaRights } from '../../../kafka/rights';
import type { Finding } from '../finding';
import type { Commands } from './commands';

export type Report = (finding: Finding) => void;

export interface Cluster {
  admin: Admin;
  rights: KafkaRights;
  /** Topics that exist and that this client may describe. */
  topics: readonly string[];
  commands: Commands;
  report: Report;
}
