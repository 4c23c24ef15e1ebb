/**
 * Patch of kafkajs 2.2.4: the removal of a broker does not change which broker an address belongs to.
 *
 * Upstream: no issue. Why: when a broker is removed whose address was used first, kafkajs chooses another one in its place. If it
 * waits for metadata meanwhile, it then takes the chosen broker for the removed one: both numbers lead to one address, until
 * metadata are read again. A broker that changes its number while it answers keeps the lock of its requests, and the next
 * request waits 65 s for that lock. This patch leaves the first broker in its place; kafkajs connects to it again, or replaces it
 * when that fails. Delete when: `refreshMetadata` does not read `this.seedBroker` again after it has waited.
 */
import { replaceMethod, type Patch } from './patch';

interface Address {
  host: string;
  port: number;
}

/** The part of kafkajs' class that the patch uses. */
interface BrokerPool {
  brokers: Record<string, { nodeId: number; connectionPool: Address }>;
  metadataExpireAt: number | null;
  removeBroker(address: Address): void;
}

function removeBroker(this: BrokerPool, { host, port }: Address): void {
  const removed = Object.values(this.brokers).find(
    ({ connectionPool }) => connectionPool.host === host && connectionPool.port === port,
  );
  if (removed === undefined) return;
  Reflect.deleteProperty(this.brokers, String(removed.nodeId));
  this.metadataExpireAt = null;
}

export const seedBrokerPatch: Patch = {
  name: 'seed-broker',
  neededFor: 'efficiency',
  without: 'requests may wait a minute, or go to another broker, after a broker has ended',
  apply: (kafkajs) =>
    replaceMethod<BrokerPool>(kafkajs, {
      path: 'cluster/brokerPool',
      name: 'removeBroker',
      replacement: removeBroker,
      mentions: ['this.seedBroker = shuffle', 'metadataExpireAt', 'connectionPool.host'],
    }),
};
