/** Kafka as a detector needs it: brokers, credentials, topics, rights, retention and the consumer group. */
import type { Admin, GroupDescription } from 'kafkajs';
import type { DetectorSettings } from '../../config/settings';
import { causesOf } from '../../errors';
import type { KafkaConnectionSettings } from '../../kafka/connection-settings';
import type { KafkaRights } from '../../kafka/rights';
import { formatDuration } from '../../schema/formats';
import { didYouMean, nearest } from '../../schema/suggest';
import { sinkConnection } from '../../sinks/kafka/spec';
import { firstLineOf } from '../../system/error-text';
import { settledWithin } from '../../system/pause';
import { readText } from '../../system/secret';
import { ok, warning, wrong, type Finding } from './finding';
import { addressOf, whyUnreachable } from './reach';

export interface KafkaExamination {
  findings: Finding[];
  /** Of the topic that is read; undefined if there is none, or it is unknown. */
  partitions: number | undefined;
}

export interface KafkaExaminationOptions {
  /** Whether to create the topics that are written and do not exist. */
  createTopics: boolean;
  /** Unix ms. */
  now: number;
}

type Connection = KafkaConnectionSettings & { clientId: string };

/** What a detector does on one cluster. */
interface Duties {
  /** Section of the configuration with the connection. */
  section: 'source.kafka' | 'sinks.kafka';
  connection: Connection;
  read: { topic: string; groupId: string; historyMs: number; historyFrom: string } | undefined;
  /** Topic of labels; empty = none. */
  labels: string;
  /** Topics of detections and dead letters. */
  written: readonly string[];
  exactlyOnce: boolean;
}

export async function examineKafka(
  settings: DetectorSettings,
  options: KafkaExaminationOptions,
): Promise<KafkaExamination> {
  const findings: Finding[] = [];
  let partitions: number | undefined;
  for (const duties of dutiesOf(settings)) {
    const cluster = new ClusterExamination(duties, options);
    try {
      await cluster.examine();
    } catch (error) {
      cluster.findings.push(wrong('Kafka', firstLineOf(error)));
    }
    findings.push(...cluster.findings);
    partitions ??= cluster.partitions;
  }
  return { findings, partitions };
}

/** One entry for each cluster; none for a detector without Kafka. */
function dutiesOf({ source, sinks, delivery, training }: DetectorSettings): Duties[] {
  const writes = sinks.kafka.enabled || source.kind === 'kafka';
  const written = writes
    ? [...(sinks.kafka.enabled ? [sinks.kafka.detectionsTopic] : []), sinks.kafka.deadLetterTopic]
    : [];
  const connection = sinkConnection(sinks.kafka, source);
  const exactlyOnce = delivery === 'exactly-once';
  if (source.kind !== 'kafka')
    return writes
      ? [{ section: 'sinks.kafka', connection, read: undefined, labels: '', written, exactlyOnce }]
      : [];
  const isShared = connection.brokers === source.kafka.brokers;
  const { topic, groupId } = source.kafka;
  const reading: Duties = {
    section: 'source.kafka',
    connection: source.kafka,
    read: { topic, groupId, historyMs: training.historyMs, historyFrom: training.historyFrom.path },
    labels: training.labels.topic,
    written: isShared ? written : [],
    exactlyOnce,
  };
  if (isShared) return [reading];
  return [reading, { section: 'sinks.kafka', connection, read: undefined, labels: '', written, exactlyOnce }];
}

/** Addresses that are tried. */
const maxBrokers = 10;
/** For closing connections, ms. */
const closeMs = 2_000;

const silent = (): void => undefined;
const noLog = { warn: silent, info: silent, debug: silent };

class ClusterExamination {
  readonly findings: Finding[] = [];
  partitions: number | undefined;

  constructor(
    private readonly duties: Duties,
    private readonly options: KafkaExaminationOptions,
  ) {}

  async examine(): Promise<void> {
    const { connection } = this.duties;
    if (!(await this.reachBrokers())) return;
    const { createKafkaClient } = await import('../../kafka/client');
    const { openRights } = await import('../../kafka/rights');
    const kafka = createKafkaClient({ ...connection, log: noLog });
    const admin = kafka.admin({ retry: { retries: 1, maxRetryTime: 500 } });
    let rights: KafkaRights | undefined;
    try {
      if (!(await this.connect(admin))) return;
      rights = await openRights(kafka);
      await this.topics(admin, rights);
    } finally {
      await settledWithin(Promise.allSettled([admin.disconnect(), rights?.close()]), closeMs);
    }
  }

  /** Whether one of the brokers accepts connections, with TLS where that is enabled. */
  private async reachBrokers(): Promise<boolean> {
    const { connection, section } = this.duties;
    const { brokers, tls } = connection;
    const secure = tls.enabled ? tlsOptions(tls) : undefined;
    if (secure instanceof Error) {
      this.findings.push(wrong('TLS', firstLineOf(secure), `correct the files of ${section}.tls`));
      return false;
    }
    const tried = brokers.slice(0, maxBrokers);
    const results = await Promise.all(
      tried.map(async (broker) => {
        const address = addressOf(broker);
        const unreachable = await whyUnreachable(address);
        const insecure =
          unreachable === undefined && secure !== undefined
            ? await whyUnreachable(address, secure)
            : undefined;
        return { broker, unreachable, insecure };
      }),
    );
    const works = results.some(
      ({ unreachable, insecure }) => unreachable === undefined && insecure === undefined,
    );
    const level = works ? warning : wrong;
    for (const { broker, unreachable, insecure } of results) {
      const { host, port } = addressOf(broker);
      if (unreachable !== undefined)
        this.findings.push(
          level(`broker ${broker}`, unreachable, `correct ${section}.brokers, or see nc -vz ${host} ${port}`),
        );
      else if (insecure !== undefined) {
        const ca = tls.ca === '' ? '' : ` -CAfile ${quoted(tls.ca)}`;
        this.findings.push(
          level(
            `broker ${broker}`,
            `TLS fails: ${insecure}`,
            `correct ${section}.tls, or see openssl s_client -connect ${host}:${port}${ca} </dev/null`,
          ),
        );
      }
    }
    return works;
  }

  private async connect(admin: Admin): Promise<boolean> {
    const { connection } = this.duties;
    const { brokers, tls, sasl } = connection;
    try {
      await admin.connect();
      const cluster = await admin.describeCluster();
      const how = [
        tls.enabled ? 'TLS' : 'no TLS',
        sasl.mechanism === 'none' ? 'no SASL' : sasl.mechanism.toUpperCase(),
      ];
      this.findings.push(
        ok(`brokers ${brokers.join(', ')}`, `${cluster.brokers.length} in the cluster (${how.join(', ')})`),
      );
      await this.reachAdvertised(cluster.brokers);
      return true;
    } catch (error) {
      this.findings.push(await this.refused(error));
      return false;
    }
  }

  private async refused(error: unknown): Promise<Finding> {
    const { connection, section } = this.duties;
    const { brokers, sasl, tls } = connection;
    const subject = `brokers ${brokers.join(', ')}`;
    const causes = [...causesOf(error)];
    const reason = firstLineOf(causes.at(-1) ?? error);
    if (causes.some(({ name }) => name === 'KafkaJSSASLAuthenticationError') || /no credentials/.test(reason))
      return wrong(
        subject,
        `the credentials are not accepted (${sasl.mechanism}): ${reason}`,
        credentialsAdvice(section, sasl.mechanism),
      );
    if (!tls.enabled && (await expectsTls(brokers[0]!)))
      return wrong(subject, 'they expect TLS, which is not enabled', `set ${section}.tls.enabled to true`);
    if (tls.enabled && /certificate/.test(reason))
      return wrong(
        subject,
        `they do not accept the client certificate, or there is none: ${reason}`,
        `set ${section}.tls.cert and ${section}.tls.key`,
      );
    if (sasl.mechanism === 'none')
      return wrong(
        subject,
        `they accept connections, but do not answer: ${reason}`,
        `if they require authentication, set ${section}.sasl`,
      );
    return wrong(subject, `they accept connections, but do not answer: ${reason}`);
  }

  /** Clients are sent to these addresses, whatever the configuration names. */
  private async reachAdvertised(brokers: readonly { nodeId: number; host: string; port: number }[]) {
    for (const { nodeId, host, port } of brokers.slice(0, maxBrokers)) {
      const problem = await whyUnreachable({ host, port });
      if (problem !== undefined)
        this.findings.push(
          wrong(
            `broker ${nodeId}`,
            `it sends clients to ${host}:${port}, which is not reachable from here: ${problem}`,
            'correct advertised.listeners of the broker, or the resolution of this name',
          ),
        );
    }
  }

  private async topics(admin: Admin, rights: KafkaRights): Promise<void> {
    const { read, labels, written, exactlyOnce } = this.duties;
    const known = await admin.listTopics();
    if (read !== undefined) {
      if (known.includes(read.topic)) await this.readTopic(admin, rights, read);
      else this.missing(read.topic, known);
      await this.group(admin, rights, read, known.includes(read.topic));
    }
    if (labels !== '') {
      if (known.includes(labels)) this.findings.push(ok(`topic ${labels}`, 'exists (labels)'));
      else await this.missingOutput(admin, labels, { 'cleanup.policy': 'compact' });
    }
    for (const topic of written) {
      if (!known.includes(topic) && !(await this.missingOutput(admin, topic, {}))) continue;
      await this.writeTopic(rights, topic);
    }
    if (written.length > 0 && !(await rights.canWriteIdempotently()))
      this.findings.push(
        wrong(
          'right to write idempotently',
          'is missing (IdempotentWrite on the cluster)',
          this.acl('IdempotentWrite', '--cluster'),
        ),
      );
    if (exactlyOnce && read !== undefined && written.length > 0) {
      const id = `${read.groupId}/${read.topic}/0`;
      if (!(await rights.canSeeTransactions(id)))
        this.findings.push(
          wrong(
            'right to write transactions',
            `is missing for transactional ids such as ${id} (Describe and Write)`,
            this.acl(
              'Write',
              `--transactional-id ${quoted(`${read.groupId}/`)} --resource-pattern-type prefixed`,
            ),
          ),
        );
    }
  }

  private missing(topic: string, known: readonly string[]): void {
    this.findings.push(
      wrong(
        `topic ${topic}`,
        `does not exist, or may not be described${didYouMean(nearest(topic, known))}`,
        `correct source.kafka.topic, or ${this.tool('topics', `--create --topic ${topic}`)}`,
      ),
    );
  }

  /** Creates the topic if that is wanted. Returns whether it exists now. */
  private async missingOutput(
    admin: Admin,
    topic: string,
    config: Readonly<Record<string, string>>,
  ): Promise<boolean> {
    const partitions = this.partitions ?? 1;
    const configs = Object.entries(config).map(([name, value]) => ` --config ${name}=${value}`);
    const create = this.tool(
      'topics',
      `--create --topic ${topic} --partitions ${partitions}${configs.join('')}`,
    );
    if (!this.options.createTopics) {
      this.findings.push(
        wrong(
          `topic ${topic}`,
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
      this.findings.push(ok(`topic ${topic}`, `created, with ${partitions} partitions`));
      return true;
    } catch (error) {
      const reasons = error instanceof AggregateError ? (error.errors as unknown[]) : kafkaErrorsOf(error);
      this.findings.push(
        wrong(`topic ${topic}`, `could not be created: ${firstLineOf(reasons[0] ?? error)}`, create),
      );
      return false;
    }
  }

  private async readTopic(
    admin: Admin,
    rights: KafkaRights,
    { topic, historyMs, historyFrom }: NonNullable<Duties['read']>,
  ): Promise<void> {
    const { now } = this.options;
    const bounds = await admin.fetchTopicOffsets(topic);
    this.partitions = bounds.length;
    const filled = bounds.filter(({ low, high }) => BigInt(high) > BigInt(low));
    const messages = filled.reduce((sum, { low, high }) => sum + Number(BigInt(high) - BigInt(low)), 0);
    const times: number[] = [];
    try {
      const probes = filled.length > 0 ? filled : bounds.slice(0, 1);
      for (const { partition, low } of probes.slice(0, maxBrokers)) {
        const time = await rights.read(topic, partition, low);
        if (time !== undefined && time > 0) times.push(time);
      }
    } catch (error) {
      this.findings.push(
        wrong(
          `topic ${topic}`,
          `cannot be read: ${firstLineOf(error)}`,
          this.acl('Read', `--topic ${topic}`),
        ),
      );
      return;
    }
    if (messages === 0) {
      this.findings.push(
        warning(
          `topic ${topic}`,
          'has no messages: there is nothing to train on until some come',
          `see whether its producer writes: ${this.tool('console-consumer', `--topic ${topic}`)}`,
        ),
      );
    } else {
      const age = times.length === 0 ? '' : `, the oldest of ${daysOf(now - Math.min(...times))} ago`;
      this.findings.push(
        ok(`topic ${topic}`, `can be read: ${bounds.length} partitions, ${count(messages)} messages${age}`),
      );
    }
    await this.retention(admin, topic, historyMs, historyFrom);
  }

  private async retention(
    admin: Admin,
    topic: string,
    historyMs: number,
    historyFrom: string,
  ): Promise<void> {
    const subject = `retention of ${topic}`;
    const config = await configOf(admin, topic).catch((error: unknown) => firstLineOf(error));
    if (typeof config === 'string') {
      this.findings.push(
        warning(subject, `unknown: ${config}`, this.acl('DescribeConfigs', `--topic ${topic}`)),
      );
      return;
    }
    const { retentionMs, policy } = config;
    const wanted = `${formatDuration(historyMs)} (training.history)`;
    if (historyFrom !== '') {
      const kept = retentionMs < 0 ? 'for ever' : `for ${daysOf(retentionMs)}`;
      this.findings.push(ok(subject, `records are kept ${kept}; trainings read ${historyFrom} in addition`));
      return;
    }
    const alter = (setting: string): string =>
      this.tool('configs', `--alter --entity-type topics --entity-name ${topic} --add-config ${setting}`);
    if (policy.includes('compact'))
      this.findings.push(
        warning(
          subject,
          `the topic is compacted (cleanup.policy=${policy}): older records of a device are deleted, so trainings find little history`,
          `${alter('cleanup.policy=delete')}, or set training.historyFrom`,
        ),
      );
    else if (retentionMs >= 0 && retentionMs < historyMs)
      this.findings.push(
        warning(
          subject,
          `records are kept for ${daysOf(retentionMs)}, and trainings ask for ${wanted}`,
          `${alter(`retention.ms=${historyMs}`)}, or set training.historyFrom`,
        ),
      );
    else
      this.findings.push(
        ok(
          subject,
          `records are kept ${retentionMs < 0 ? 'for ever' : `for ${daysOf(retentionMs)}`}, and trainings ask for ${wanted}`,
        ),
      );
  }

  private async writeTopic(rights: KafkaRights, topic: string): Promise<void> {
    if (await rights.canWrite(topic)) this.findings.push(ok(`topic ${topic}`, 'can be written'));
    else
      this.findings.push(
        wrong(
          `topic ${topic}`,
          'may not be written (Write and Describe)',
          this.acl('Write', `--topic ${topic}`),
        ),
      );
  }

  private async group(
    admin: Admin,
    rights: KafkaRights,
    { groupId, topic }: NonNullable<Duties['read']>,
    topicExists: boolean,
  ): Promise<void> {
    const subject = `group ${groupId}`;
    // Each training reads the history in a group of its own.
    const denied: string[] = [];
    for (const group of [groupId, `${groupId}-history-doctor`])
      if (!(await rights.canJoin(group))) denied.push(group);
    if (denied.length > 0) {
      this.findings.push(
        wrong(
          subject,
          `may not be used: Read is missing for ${denied.includes(groupId) ? groupId : `${groupId}-history-…, which trainings use`}`,
          this.acl('Read', `--group ${quoted(groupId)} --resource-pattern-type prefixed`),
        ),
      );
      if (denied.includes(groupId)) return;
    }
    const { groups } = await admin.describeGroups([groupId]);
    const foreign = await foreignTopics(groups[0], topic);
    if (foreign.length > 0)
      this.findings.push(
        wrong(
          subject,
          `others in it read ${foreign.join(', ')}: all members of a group must read the same topics`,
          'set source.kafka.groupId to a name of its own',
        ),
      );
    const members = groups[0]?.members.length ?? 0;
    const who = members === 0 ? 'no process is in it' : `${members} members`;
    if (!topicExists) {
      this.findings.push(ok(subject, who));
      return;
    }
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const bounds = await admin.fetchTopicOffsets(topic);
    this.findings.push(describeLag(subject, who, committed?.partitions ?? [], bounds));
  }

  private acl(operation: string, resource: string): string {
    const { sasl } = this.duties.connection;
    const who = sasl.mechanism !== 'none' && sasl.username !== '' ? sasl.username : 'NAME';
    return this.tool(
      'acls',
      `--add --allow-principal ${quoted(`User:${who}`)} --operation ${operation} ${resource}`,
    );
  }

  /** A command of Kafka itself. */
  private tool(name: string, args: string): string {
    const { brokers, tls, sasl } = this.duties.connection;
    const isSecure = tls.enabled || sasl.mechanism !== 'none';
    const secure = name === 'console-consumer' ? ' --consumer.config' : ' --command-config';
    return `kafka-${name}.sh --bootstrap-server ${brokers[0]!}${isSecure ? `${secure} client.properties` : ''} ${args}`;
  }
}

function tlsOptions({ ca, cert, key }: Connection['tls']) {
  try {
    return {
      ...(ca !== '' && { ca: readText(ca) }),
      ...(cert !== '' && { cert: readText(cert), key: readText(key) }),
    };
  } catch (error) {
    return error as Error;
  }
}

async function expectsTls(broker: string): Promise<boolean> {
  return (await whyUnreachable(addressOf(broker), { rejectUnauthorized: false })) === undefined;
}

function credentialsAdvice(section: Duties['section'], mechanism: Connection['sasl']['mechanism']): string {
  if (mechanism === 'oauthbearer') return `correct ${section}.sasl.oauth`;
  const variable =
    section === 'source.kafka' ? 'VAEMON_KAFKA_SASL_PASSWORD' : 'VAEMON_SINKS_KAFKA_SASL_PASSWORD';
  return `correct ${section}.sasl.username, and ${variable} or ${section}.sasl.passwordFile`;
}

/** kafkajs has an aggregate of its own. */
function kafkaErrorsOf(error: unknown): readonly unknown[] {
  const { errors } = error as { errors?: unknown };
  return Array.isArray(errors) ? errors : [];
}

async function configOf(admin: Admin, topic: string): Promise<{ retentionMs: number; policy: string }> {
  const { ConfigResourceTypes } = await import('kafkajs');
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [
      { type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms', 'cleanup.policy'] },
    ],
  });
  const entries = resources[0]?.configEntries ?? [];
  const valueOf = (name: string) => entries.find(({ configName }) => configName === name)?.configValue ?? '';
  return { retentionMs: Number(valueOf('retention.ms')), policy: valueOf('cleanup.policy') };
}

/** Topics that members of the group have subscribed to, other than this one. */
async function foreignTopics(group: GroupDescription | undefined, topic: string): Promise<string[]> {
  const { AssignerProtocol } = await import('kafkajs');
  const topics = (group?.members ?? []).flatMap(
    ({ memberMetadata }) => AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? [],
  );
  return [...new Set(topics)].filter((one) => one !== topic);
}

function describeLag(
  subject: string,
  who: string,
  committed: readonly { partition: number; offset: string }[],
  bounds: readonly { partition: number; low: string; high: string }[],
): Finding {
  let [lag, lost, known] = [0n, 0n, 0];
  for (const { partition, low, high } of bounds) {
    const offset = BigInt(committed.find((one) => one.partition === partition)?.offset ?? -1);
    if (offset < 0n) continue;
    known++;
    lag += BigInt(high) > offset ? BigInt(high) - offset : 0n;
    lost += BigInt(low) > offset ? BigInt(low) - offset : 0n;
  }
  if (known === 0) return ok(subject, `${who}; it has no offsets yet, so source.kafka.startFrom decides`);
  if (lost > 0n)
    return warning(
      subject,
      `${who}; retention has deleted ${count(Number(lost))} messages that were not scored`,
      'run more scorers, or keep records longer',
    );
  return ok(subject, `${who}; ${count(Number(lag))} messages are not scored yet`);
}

const count = (n: number): string => n.toLocaleString('en');

/** Two digits at most, in the largest unit that has one. */
export function daysOf(ms: number): string {
  const [unit, length] =
    ms >= 86_400_000 ? ['days', 86_400_000] : ms >= 3_600_000 ? ['hours', 3_600_000] : ['minutes', 60_000];
  const n = ms / length;
  return `${n < 10 ? Math.round(n * 10) / 10 : Math.round(n)} ${unit}`;
}

/** Quoted for a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}
