/** Kafka as a detector needs it: the checks of each cluster, in the order in which they run. */
import type { DetectorSettings } from '../../../config/settings';
import type { KafkaRights } from '../../../kafka/rights';
import { firstLineOf } from '../../../system/error-text';
import { settledWithin } from '../../../system/pause';
import { wrong, type Finding } from '../finding';
import { examineAddresses, examineAdvertisedAddresses } from './addresses';
import type { Cluster, Report } from './cluster';
import { commandsFor } from './commands';
import { dutiesOf, type Duties } from './duties';
import { examineGroup } from './group';
import { examineLogin } from './login';
import { examineReadTopic } from './read-topic';
import { examineRetention } from './retention';
import { examineWriteRights } from './write-rights';
import { examineLabelsTopic, examineWrittenTopic } from './written-topics';

export interface KafkaExamination {
  findings: Finding[];
  /** Partitions of the topic that is read; undefined if there is no such topic, or if their number is unknown. */
  partitions: number | undefined;
}

export interface KafkaExaminationOptions {
  /** Whether to create missing topics that the detector writes. */
  createTopics: boolean;
  /** Unix ms. */
  now: number;
}

export async function examineKafka(
  settings: DetectorSettings,
  options: KafkaExaminationOptions,
): Promise<KafkaExamination> {
  const findings: Finding[] = [];
  let partitions: number | undefined;
  for (const duties of dutiesOf(settings)) {
    const found: KafkaExamination = { findings, partitions: undefined };
    try {
      await examineCluster(duties, options, found);
    } catch (error) {
      findings.push(wrong('Kafka', firstLineOf(error)));
    }
    partitions ??= found.partitions;
  }
  return { findings, partitions };
}

/** Time to close connections, ms. */
const closeMs = 2_000;

const silent = (): void => undefined;
const noLog = { warn: silent, info: silent, debug: silent };

/** @throws Error of kafkajs if the brokers stop answering; `found` then contains the findings up to that point */
async function examineCluster(
  duties: Duties,
  options: KafkaExaminationOptions,
  found: KafkaExamination,
): Promise<void> {
  const { connection } = duties;
  const report: Report = (finding) => found.findings.push(finding);
  if (!(await examineAddresses(duties, report))) return;

  const { createKafkaClient } = await import('../../../kafka/client');
  const { openRights } = await import('../../../kafka/rights');
  const kafka = createKafkaClient({ ...connection, log: noLog });
  const admin = kafka.admin({ retry: { retries: 1, maxRetryTime: 500 } });
  let rights: KafkaRights | undefined;
  try {
    const brokers = await examineLogin(duties, admin, report);
    if (brokers === undefined) return;
    await examineAdvertisedAddresses(brokers, report);

    rights = await openRights(kafka);
    const topics = await admin.listTopics();
    const cluster = { admin, rights, topics, commands: commandsFor(connection), report };
    await examineDuties(cluster, duties, options, found);
  } finally {
    await settledWithin(Promise.allSettled([admin.disconnect(), rights?.close()]), closeMs);
  }
}

async function examineDuties(
  cluster: Cluster,
  duties: Duties,
  { createTopics, now }: KafkaExaminationOptions,
  found: KafkaExamination,
): Promise<void> {
  const { read, labels, written } = duties;
  if (read !== undefined) {
    const { partitions, isReadable } = await examineReadTopic(cluster, read, now);
    found.partitions = partitions;
    if (isReadable) await examineRetention(cluster, read);
    await examineGroup(cluster, read);
  }
  const creation = { isWanted: createTopics, partitions: found.partitions ?? 1 };
  if (labels !== '') await examineLabelsTopic(cluster, labels, creation);
  for (const topic of written) await examineWrittenTopic(cluster, topic, creation);
  await examineWriteRights(cluster, duties);
}
