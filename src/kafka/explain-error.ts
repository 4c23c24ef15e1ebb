/**
 * Explains a failure of Kafka in one line: a topic does not exist, a right is missing, or the brokers do not answer. kafkajs
 * reports only the last error of its retries, such as a closed connection, without the topic.
 */
import type { Admin, Kafka } from 'kafkajs';
import { causesOf } from '../errors';
import { firstLineOf } from '../system/error-text';
import { settledWithin } from '../system/pause';

export interface KafkaUse {
  kafka: Kafka;
  brokers: readonly string[];
  topics: readonly string[];
  /** Whether the topics are read or written. */
  access: 'read' | 'write';
  groupId?: string;
}

/** Timeout of the request for the topics, ms. */
const askingMs = 5_000;

/** The missing right, by the error code of the protocol. https://kafka.apache.org/protocol#protocol_error_codes */
const missingRight = (type: unknown, { topics, access, groupId = '' }: KafkaUse): string | undefined => {
  const list = topics.join(', ');
  switch (type) {
    case 'TOPIC_AUTHORIZATION_FAILED':
      return `the right to ${access} topic ${list} is missing (${access === 'read' ? 'Read' : 'Write'} and Describe)`;
    case 'GROUP_AUTHORIZATION_FAILED':
      return `the right to use consumer group ${groupId} is missing (Read)`;
    case 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED':
      return 'the right to use the transactional ids of the sink is missing (Write and Describe)';
    case 'CLUSTER_AUTHORIZATION_FAILED':
      return 'the right to write idempotently is missing (IdempotentWrite on the cluster)';
    default:
      return undefined;
  }
};

/** Returns an error with an explanation. Settles after all requests, and never rejects. */
export async function explainKafkaError(error: unknown, use: KafkaUse): Promise<Error> {
  const { brokers, access } = use;
  const where = brokers.join(', ');
  const right = [...causesOf(error)]
    .map((cause) => missingRight((cause as { type?: unknown }).type, use))
    .find((text) => text !== undefined);
  if (right !== undefined) return new Error(`${right}, on ${where}`);
  const known = await listTopics(use.kafka);
  if (known === undefined) return new Error(`Kafka does not answer at ${where}: ${rootOf(error)}`);
  const missing = use.topics.filter((topic) => !known.includes(topic));
  if (missing.length > 0) {
    const subject = missing.length === 1 ? `topic ${missing[0]!} does` : `topics ${missing.join(', ')} do`;
    const verb = access === 'read' ? 'read' : 'written';
    return new Error(`${subject} not exist on ${where}, or may not be ${verb}`);
  }
  return new Error(`Kafka request failed for topic ${use.topics.join(', ')} on ${where}: ${rootOf(error)}`, {
    cause: error,
  });
}

/** The first line of the innermost cause. */
function rootOf(error: unknown): string {
  return firstLineOf([...causesOf(error)].at(-1) ?? error);
}

/** Topics that the user may describe; undefined if Kafka does not answer. No topic is created. */
async function listTopics(kafka: Kafka): Promise<string[] | undefined> {
  const admin: Admin = kafka.admin({ retry: { retries: 1, maxRetryTime: 500 } });
  let topics: string[] | undefined;
  async function ask(): Promise<void> {
    await admin.connect();
    topics = await admin.listTopics();
  }
  await settledWithin(
    ask().catch(() => undefined),
    askingMs,
  );
  void admin.disconnect().catch(() => undefined);
  return topics;
}
