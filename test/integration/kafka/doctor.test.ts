import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ResourcePatternTypes,
  type AclEntry,
} from 'kafkajs';
import { runCli } from '../../../src/cli/cli';
import type { DoctorFinding } from '../../../src/offline/doctor/doctor';
import { captureContext } from '../../cli/capture';
import { removeFolders, writeFolder } from '../../config/folder';
import { startBroker, until, type TestBroker } from './broker';

jest.setTimeout(120_000);

let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker({ secure: true });
}, 240_000);
afterAll(async () => {
  await broker.remove();
  await removeFolders();
});

interface Given {
  /** Of `source.kafka`, in flow style. */
  kafka: string;
  outputs?: string;
  args?: string[];
  env?: Record<string, string>;
}

async function doctor({ kafka, outputs = 'd, e', args = [], env = {} }: Given) {
  const [detections, deadLetters] = outputs.split(', ');
  const folder = await writeFolder({
    'plant.yaml': `detector: plant
source: { kind: kafka, kafka: { ${kafka} } }
record: { channels: [flow] }
training: { history: 14d }
sinks: { kafka: { enabled: true, detectionsTopic: ${detections!}, deadLetterTopic: ${deadLetters!} } }
`,
  });
  const captured = captureContext({ VAEMON_STORE_PATH: path.join(folder, 'store'), ...env });
  await runCli(['doctor', `${folder}/plant.yaml`, '--json', ...args], captured.context);
  expect(captured.stderr()).toBe('');
  const { ok, findings } = JSON.parse(captured.stdout()) as { ok: boolean; findings: DoctorFinding[] };
  const of = (subject: string) => findings.filter((one) => one.subject.startsWith(subject));
  return { code: captured.exitCode(), ok, findings, of, output: captured.stdout() };
}

const wrongOnes = (findings: readonly DoctorFinding[]) =>
  findings.filter(({ level }) => level === 'wrong').map(({ subject }) => subject);
const plain = () => `brokers: ['${broker.bootstrap}']`;
const file = (name: string): string => path.join(broker.folder, 'secure', name);
const password = (): string => readFileSync(file('password'), 'utf8');
const asAlice = (topic: string) =>
  `brokers: ['${broker.addresses.SASL_PLAINTEXT}'], topic: ${topic}, sasl: { mechanism: scram-sha-256, username: alice }`;

async function topicOf(records: number, config: Record<string, string> = {}): Promise<string> {
  const topic = await broker.createTopic({ partitions: 3, config });
  const messages = Array.from({ length: records }, (_, i) => ({ key: 'a', value: `{"flow":${i}}` }));
  await broker.produce(topic, messages);
  return topic;
}

async function allow(
  acl: Partial<AclEntry> & Pick<AclEntry, 'resourceType' | 'resourceName'>,
): Promise<void> {
  const admin = broker.client().admin();
  await admin.connect();
  await admin.createAcls({
    acl: [
      {
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: 'User:bob',
        host: '*',
        operation: AclOperationTypes.ALL,
        permissionType: AclPermissionTypes.ALLOW,
        ...acl,
      },
    ],
  });
  await admin.disconnect();
}

test('topics that are written are created on demand, with the partitions of the one that is read; then nothing is wrong', async () => {
  const topic = await topicOf(30, { 'retention.ms': '-1' });
  const given = { kafka: `${plain()}, topic: ${topic}`, outputs: 'plant.found, plant.dead' };
  const before = await doctor(given);
  expect([before.code, before.ok]).toEqual([1, false]);
  expect(wrongOnes(before.findings)).toEqual(['topic plant.found', 'topic plant.dead']);
  expect(before.of('topic plant.found')[0]!.mend).toBe(
    `vaemon doctor … --create-topics, or kafka-topics.sh --bootstrap-server ${broker.bootstrap} --create --topic plant.found --partitions 3`,
  );

  const created = await doctor({ ...given, args: ['--create-topics'] });
  expect(created.of('topic plant.found')[0]).toMatchObject({
    level: 'ok',
    message: 'created, with 3 partitions',
  });
  const admin = broker.client().admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: ['plant.found', 'plant.dead'] });
  expect(topics.map(({ partitions }) => partitions.length)).toEqual([3, 3]);
  await admin.disconnect();

  const after = await doctor(given);
  expect([after.code, after.ok]).toEqual([0, true]);
  expect(after.of('topic plant.dead')).toEqual([
    expect.objectContaining({ level: 'ok', message: 'can be written' }),
  ]);
  expect(after.of(`topic ${topic}`)[0]).toMatchObject({
    level: 'ok',
    detector: 'plant',
    message: expect.stringMatching(/^can be read: 3 partitions, 30 messages, the oldest of \d/) as string,
  });
  expect(after.of(`retention of ${topic}`)[0]!.message).toMatch(/for ever/);
});

test('a topic whose messages are all older than what trainings read', async () => {
  const days = (n: number): string => String(Date.now() - n * 86_400_000);
  const topic = await broker.createTopic({ partitions: 2, config: { 'retention.ms': '-1' } });
  const ageOf = async () => {
    const { of } = await doctor({ kafka: `${plain()}, topic: ${topic}` });
    return of(`topic ${topic}`).map(({ level, message }) => `${level}: ${message}`);
  };
  await broker.produce(topic, [{ value: '1', partition: 0, timestamp: days(20) }]);
  expect(await ageOf()).toEqual([
    expect.stringMatching(/^ok: can be read: 2 partitions, 1 message, the oldest of 20 days ago$/),
    expect.stringMatching(/^warning: no message is of the last 14d \(training\.history\): /),
  ]);
  await broker.produce(topic, [{ value: '2', partition: 1, timestamp: days(13) }]);
  expect(await ageOf()).toEqual([expect.stringMatching(/^ok: /)]);
});

test('a topic that does not exist, and one like it that does', async () => {
  const topic = await topicOf(1);
  const { of, code } = await doctor({ kafka: `${plain()}, topic: ${topic}x` });
  expect(code).toBe(1);
  expect(of(`topic ${topic}x`)[0]).toMatchObject({
    level: 'wrong',
    message: `does not exist, or may not be described; did you mean "${topic}"?`,
  });
});

test('an empty topic, a short retention and a compacted topic are warned of', async () => {
  const short = await doctor({
    kafka: `${plain()}, topic: ${await topicOf(0, { 'retention.ms': '86400000' })}`,
  });
  expect(short.of('topic topic')[0]).toMatchObject({
    level: 'warning',
    message: expect.stringMatching(/no messages/) as string,
  });
  expect(short.of('retention')[0]).toMatchObject({
    level: 'warning',
    message: 'records are kept for 24 h, and trainings ask for 14d (training.history)',
    mend: expect.stringMatching(/^kafka-configs\.sh .*--add-config retention\.ms=1209600000/) as string,
  });
  const compacted = await doctor({
    kafka: `${plain()}, topic: ${await topicOf(1, { 'cleanup.policy': 'compact' })}`,
  });
  expect(compacted.of('retention')[0]!.message).toMatch(/compacted/);
});

test('a wrong password is named as such, and appears nowhere', async () => {
  const secret = 'not-the-password-1';
  const { findings, output, code } = await doctor({
    kafka: asAlice('topic-1'),
    env: { VAEMON_KAFKA_SASL_PASSWORD: secret },
  });
  expect(code).toBe(1);
  expect(findings.filter(({ level }) => level === 'wrong')).toEqual([
    expect.objectContaining({
      subject: `brokers ${broker.addresses.SASL_PLAINTEXT}`,
      message: expect.stringMatching(/^the credentials are not accepted \(scram-sha-256\)/) as string,
      mend: 'correct source.kafka.sasl.username, and VAEMON_KAFKA_SASL_PASSWORD or source.kafka.sasl.passwordFile',
    }),
  ]);
  expect(output).not.toContain(secret);
});

test('TLS: missing where brokers require it, and an authority that has signed nothing', async () => {
  const address = `brokers: ['${broker.addresses.SSL}'], topic: x`;
  const without = await doctor({ kafka: address });
  expect(without.of('brokers')[0]).toMatchObject({
    level: 'wrong',
    message: 'they expect TLS, which is not enabled',
    mend: 'set source.kafka.tls.enabled to true',
  });
  const other = await doctor({ kafka: `${address}, tls: { enabled: true, ca: '${file('other-ca.pem')}' }` });
  expect(other.of('broker')[0]).toMatchObject({
    level: 'wrong',
    message: expect.stringMatching(/^TLS fails: /) as string,
    mend: expect.stringContaining(`openssl s_client -connect ${broker.addresses.SSL} -CAfile`) as string,
  });
  const right = await doctor({ kafka: `${address}, tls: { enabled: true, ca: '${file('ca.pem')}' }` });
  expect(right.of('brokers')[0]).toMatchObject({ level: 'ok', message: '1 in the cluster (TLS, no SASL)' });
});

test('brokers that are not there', async () => {
  const { findings } = await doctor({ kafka: `brokers: ['127.0.0.1:9'], topic: x` });
  expect(findings.filter(({ level }) => level === 'wrong')).toEqual([
    expect.objectContaining({
      subject: 'broker 127.0.0.1:9',
      message: expect.stringMatching(/ECONNREFUSED/) as string,
      mend: 'correct source.kafka.brokers, or see nc -vz 127.0.0.1 9',
    }),
  ]);
});

test('rights that are missing, with the ACL that adds each', async () => {
  const [read, written, hidden] = [await topicOf(5), await topicOf(0), await topicOf(0)];
  const env = { VAEMON_KAFKA_SASL_PASSWORD: password() };
  const given = { kafka: `${asAlice(read)}, groupId: own-group`, outputs: `${written}, ${hidden}`, env };
  expect((await doctor(given)).code).toBe(0);

  // What others alone may use, alice may not.
  const describe = { operation: AclOperationTypes.DESCRIBE, principal: 'User:alice' };
  for (const name of [read, written]) {
    await allow({ resourceType: AclResourceTypes.TOPIC, resourceName: name });
    await allow({ resourceType: AclResourceTypes.TOPIC, resourceName: name, ...describe });
  }
  await allow({ resourceType: AclResourceTypes.TOPIC, resourceName: hidden });
  await allow({
    resourceType: AclResourceTypes.GROUP,
    resourceName: 'own-group',
    resourcePatternType: ResourcePatternTypes.PREFIXED,
  });
  let last: Awaited<ReturnType<typeof doctor>> | undefined;
  await until('the ACLs', async () => {
    last = await doctor(given);
    return wrongOnes(last.findings).length === 4;
  });
  const mends = Object.fromEntries(last!.findings.map(({ subject, mend }) => [subject, mend]));
  const acl = (rest: string) =>
    `kafka-acls.sh --bootstrap-server ${broker.addresses.SASL_PLAINTEXT} --command-config client.properties --add --allow-principal User:alice --operation ${rest}`;
  expect(mends).toMatchObject({
    [`topic ${read}`]: acl(`Read --topic ${read}`),
    [`topic ${written}`]: acl(`Write --topic ${written}`),
    [`topic ${hidden}`]: expect.stringMatching(/--create-topics/) as string,
    'group own-group': acl('Read --group own-group --resource-pattern-type prefixed'),
  });
});

test('the group: its lag, records that retention has deleted, and members that read something else', async () => {
  const [topic, other] = [await topicOf(10), await topicOf(0)];
  const kafka = `${plain()}, topic: ${topic}, groupId: shared`;
  expect((await doctor({ kafka })).of('group')[0]!.message).toMatch(
    /^no process is in it; it has no offsets/,
  );

  const admin = broker.client().admin();
  await admin.connect();
  const bounds = await admin.fetchTopicOffsets(topic);
  const { partition } = bounds.find(({ high }) => high === '10')!;
  await admin.setOffsets({ groupId: 'shared', topic, partitions: [{ partition, offset: '4' }] });
  expect((await doctor({ kafka })).of('group')[0]!.message).toBe(
    'no process is in it; 6 messages are not scored yet',
  );
  await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: '7' }] });
  expect((await doctor({ kafka })).of('group')[0]).toMatchObject({
    level: 'warning',
    message: expect.stringMatching(/retention has deleted 3 messages/) as string,
  });
  await admin.disconnect();

  const consumer = broker.client().consumer({ groupId: 'shared' });
  await consumer.connect();
  await consumer.subscribe({ topics: [other] });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({ eachMessage: () => Promise.resolve() });
  await joined;
  expect((await doctor({ kafka })).of('group')[0]).toMatchObject({
    level: 'wrong',
    message: `others in it read ${other}: all members of a group must read the same topics`,
  });
  await consumer.disconnect();
});
