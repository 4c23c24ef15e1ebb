/**
 * Checks whether the topics of labels, detections and dead letters exist or can be created, and whether they may be written.
 */
import { firstLineOf } from '../../../system/error-text';
import { ok, wrong } from '../finding';
import type { Cluster } from './cluster';

/** Parameters for the creation of a missing topic. */
interface Creation {
  isWanted: boolean;
  partitions: number;
}

export async function examineLabelsTopic(cluster: Cluster, topic: string, creation: Creation): Promise<void> {
  if (cluster.topics.includes(topic)) cluster.report(ok(`topic ${topic}`, 'exists (labels)'));
  else await examineMissing(cluster, topic, creation, { 'cleanup.policy': 'compact' });
}

/** Examines the topic of detections, or that of dead letters. */
export async function examineWrittenTopic(
  cluster: Cluster,
  topic: string,
  creation: Creation,
): Promise<void> {
  const { topics, rights, commands, report } = cluster;
  if (!topics.includes(topic) && !(await examineMissing(cluster, topic, creation, {}))) return;
  const subject = `topic ${topic}`;
  if (await rights.canWrite(topic)) report(ok(subject, 'can be written'));
  else
    report(
      wrong(subject, 'may not be written (Write and Describe)', commands.acl('Write', `--topic ${topic}`)),
    );
}

/** Creates the topic if asked to. Returns whether it exists now. */
async function examineMissing(
  { admin, commands, report }: Cluster,
  topic: string,
  { isWanted, partitions }: Creation,
  config: Readonly<Record<string, string>>,
): Promise<boolean> {
  const subject = `topic ${topic}`;
  const configs = Object.entries(config).map(([name, value]) => ` --config ${name}=${value}`);
  const create = commands.tool(
    'topics',
    `--create --topic ${topic} --partitions ${partitions}${configs.join('')}`,
  );
  if (!isWanted) {
    report(
      wrong(
        subject,
        'does not exist, or may not be described',
        `vaemon doctor … --create-topics, or ${create}`,
      ),
    );
    return false;
  }
  try {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    const wanted = { topic, numPartitions: partitions, replicationFactor: -1, configEntries };
    await admin.createTopics({ topics: [wanted] });
    report(ok(subject, `created, with ${partitions} partitions`));
    return true;
  } catch (error) {
    const reasons = error instanceof AggregateError ? (error.errors as unknown[]) : kafkaErrorsOf(error);
    report(wrong(subject, `could not be created: ${firstLineOf(reasons[0] ?? error)}`, create));
    return false;
  }
}

/** kafkajs has its own class of aggregate errors. */
function kafkaErrorsOf(error: unknown): readonly unknown[] {
  const { errors } = error as { errors?: unknown };
  return Array.isArray(errors) ? errors : [];
}
