/** A gateway whose devices are in the partitions of two processes: one message, also if the process that sends it is killed. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { startServer, stopServers } from '../../system/http-server';
import { createDevice, newFolder, writeConfig } from '../plant';
import { startVaemon } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';
import { cleanUpAfterwards } from './clean-up';
import { plantSettings } from './outcomes';

let broker: TestBroker;
let config: string;
const partitions = 2;
const cleanExit = { code: 0, signal: null };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Longer than events wait for those of other partitions. */
const longerThanWaitMs = 40_000;

beforeAll(async () => {
  [broker, config] = await Promise.all([startBroker(), writeConfig()]);
}, 180_000);
afterEach(stopServers);
cleanUpAfterwards(() => broker, []);

test('a gateway of two processes is one message, repeated once if its sender is killed, and one when it is back', async () => {
  const topic = await broker.createTopic({ partitions });
  const start = Date.now() - 24 * 3_600_000;
  const devices = Array.from({ length: 3 * partitions }, (_, i) => {
    const isBehindGateway = i >= partitions;
    return {
      partition: i % partitions,
      isBehindGateway,
      next: createDevice(`${isBehindGateway ? 'gateway' : 'alone'}-${i}`, { seed: i, start, faults: false }),
    };
  });
  const gateway = devices
    .flatMap(({ isBehindGateway }, i) => (isBehindGateway ? [`gateway-${i}`] : []))
    .sort();
  /** Each device goes on while the gateway is down; what is behind it is lost. */
  async function produce(rounds: number, isDown = false): Promise<void> {
    const messages = Array.from({ length: rounds }, () =>
      devices.flatMap(({ partition, isBehindGateway, next }) => {
        const record = next();
        if (isDown && isBehindGateway) return [];
        return [{ partition, key: record.key, value: JSON.stringify(record) }];
      }),
    ).flat();
    await broker.produce(topic, messages);
  }

  const received: { id: string; type: string; data: { kind: string; keys: string[] } }[] = [];
  const { url } = await startServer(({ headers }, body) => {
    received.push({
      id: String(headers['webhook-id']),
      ...(JSON.parse(body) as { type: string; data: { kind: string; keys: string[] } }),
    });
    return [200, ''];
  });
  const store = await newFolder();
  const settings = {
    ...(await plantSettings(broker, topic, store)),
    'source.kafka.maxBatchRecords': 500,
    'store.pollInterval': '500ms',
    'past.saveInterval': '60s',
    'sinks.webhook.url': url,
    'sinks.webhook.filter.kinds': 'silent',
  };
  await produce(400);
  const score = () => startVaemon(['run'], config, settings);
  const processes = [score()];
  await processes[0]!.ready();
  processes.push(score());
  await processes[1]!.ready();
  expect(
    processes.map(
      (one) =>
        one.log(
          'devices that fall silent together are reported in one message by all processes that share the store',
        ).length,
    ),
  ).toEqual([1, 1]);
  const assigned = async (count: number) => {
    const one = processes.at(-1)!;
    const answer = await one.get('/api/v1/detectors/plant');
    const { processes: known } = JSON.parse(answer.body) as {
      processes: { partitions: number[]; stale: boolean }[];
    };
    const living = known.filter(({ stale }) => !stale);
    return living.length === count && living.every((each) => each.partitions.length === partitions / count);
  };
  await until('one partition each', () => assigned(2));

  await produce(20);
  await produce(30, true);
  await until('the message', () => received.length > 0, 60_000);
  await pause(longerThanWaitMs);
  expect(received.map(({ type }) => type)).toEqual(['vaemon.event.open']);
  expect(received[0]!.data.kind).toBe('silent');
  expect([...received[0]!.data.keys].sort()).toEqual(gateway);

  const folder = path.join(store, 'plant', 'notified', 'webhook');
  const senderOf = (file: string) =>
    (JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as { process: string }).process;
  expect(readdirSync(folder)).toEqual(['1.json']);
  const sender = processes.find((one) => senderOf('1.json').endsWith(`-${one.pid}`))!;
  processes.splice(processes.indexOf(sender), 1);
  await sender.signal('SIGKILL');
  await until('the other to have both partitions', () => assigned(1), 60_000);
  await produce(10, true);
  await until('the message again', () => received.length > 1, 90_000);
  await pause(longerThanWaitMs);
  expect(received.map(({ type }) => type)).toEqual(['vaemon.event.open', 'vaemon.event.open']);
  expect(received[1]!.id).toBe(received[0]!.id);
  expect([...received[1]!.data.keys].sort()).toEqual(gateway);
  expect(readdirSync(folder)).toEqual(['2.json']);

  await produce(5);
  await until('its end', () => received.length > 2, 60_000);
  await pause(5_000);
  expect(received.slice(2).map(({ type }) => type)).toEqual(['vaemon.event.closed']);
  expect(await processes[0]!.signal('SIGTERM')).toEqual(cleanExit);
}, 600_000);
