/**
 * What there is to ask a cluster about a topic and a group. kafkajs asks whoever led a partition five minutes ago, and takes
 * "not any more" for the answer: a question that fails is asked once more, over a connection that knows who leads now.
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
  let renewing: Promise<void> | undefined;
  let closed = false;

  async function renew(): Promise<void> {
    await admin.disconnect();
    if (!closed) await admin.connect();
  }

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    await renewing?.catch(() => undefined);
    try {
      return await question();
    } catch (error) {
      if (closed) throw error;
      renewing ??= renew().finally(() => (renewing = undefined));
      await renewing;
      return await question();
    }
  }

  return {
    connect: () => admin.connect(),
    async disconnect() {
      closed = true;
      await renewing?.catch(() => undefined);
      await admin.disconnect();
    },
    fetchOffsets: (options) => ask(() => admin.fetchOffsets(options)),
    fetchTopicOffsets: (topic) => ask(() => admin.fetchTopicOffsets(topic)),
    fetchTopicOffsetsByTimestamp: (topic, timestamp) =>
      ask(() => admin.fetchTopicOffsetsByTimestamp(topic, timestamp)),
    deleteGroups: (groupIds) => admin.deleteGroups(groupIds),
  };
}
