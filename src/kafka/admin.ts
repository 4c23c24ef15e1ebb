/**
 * Requests about a topic and a group. kafkajs caches partition leaders for five minutes and does not refresh them when a broker
 * answers that it no longer leads, so a failed request is repeated once over a new connection.
 */
import type { Admin, Kafka } from 'kafkajs';

export type TopicAdmin = Pick<
  Admin,
  | 'connect'
  | 'disconnect'
  | 'fetchOffsets'
  | 'fetchTopicOffsets'
  | 'fetchTopicOffsetsByTimestamp'
  | 'deleteGroups'
>;

export function createTopicAdmin(kafka: Kafka): TopicAdmin {
  const admin = kafka.admin();
  let reconnecting: Promise<void> | undefined;
  let closed = false;

  async function reconnect(): Promise<void> {
    await admin.disconnect();
    if (!closed) await admin.connect();
  }

  async function withRetry<T>(request: () => Promise<T>): Promise<T> {
    await reconnecting?.catch(() => undefined);
    try {
      return await request();
    } catch (error) {
      if (closed) throw error;
      reconnecting ??= reconnect().finally(() => (reconnecting = undefined));
      await reconnecting;
      return await request();
    }
  }

  return {
    connect: () => admin.connect(),
    async disconnect() {
      closed = true;
      await reconnecting?.catch(() => undefined);
      await admin.disconnect();
    },
    fetchOffsets: (options) => withRetry(() => admin.fetchOffsets(options)),
    fetchTopicOffsets: (topic) => withRetry(() => admin.fetchTopicOffsets(topic)),
    fetchTopicOffsetsByTimestamp: (topic, timestamp) =>
      withRetry(() => admin.fetchTopicOffsetsByTimestamp(topic, timestamp)),
    deleteGroups: (groupIds) => admin.deleteGroups(groupIds),
  };
}
