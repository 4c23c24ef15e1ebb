/** What the checks of one cluster share, once its brokers answer. */
import type { Admin } from 'kafkajs';
import type { KafkaRights } from '../../../kafka/rights';
import type { Finding } from '../finding';
import type { Commands } from './commands';

export type Report = (finding: Finding) => void;

export interface Cluster {
  admin: Admin;
  rights: KafkaRights;
  /** Those that exist and may be described. */
  topics: readonly string[];
  commands: Commands;
  report: Report;
}
