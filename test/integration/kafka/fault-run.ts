/** One fault run: a detector with faults drawn from a seed, and its losses. */
import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createRandom } from '../../../src/tensor';
import { copyStore, newFolder } from '../plant';
import { startVaemon, trainingPidOf } from '../vaemon-process';
import type { SettingsOverrides, VaemonProcess } from '../vaemon-process';
import { until } from './broker';
import type { TestCluster } from './broker';
import { createFleetFeed } from './fleet-feed';
import { actualOutcomes, expectedDetections, groupOf, plantSettings } from './outcomes';
import type { PlantSettings } from './outcomes';
import { readProgress } from './readings';

/** Faults; `kill` is SIGKILL. */
export const faults = [
  'kill daemon',
  'stop daemon',
  'kill broker',
  'kill coordinator',
  'move leaders',
  'kill training',
  'fill disk',
] as const;
export type Fault = (typeof faults)[number];

export interface RunReport {
  seed: number;
  delivery: 'at-least-once' | 'exactly-once';
  faults: readonly Fault[];
  records: number;
  /** Records without their expected detection or dead letter. */
  lost: string[];
  /** Records with more than one detection or dead letter, and the offsets of these detections. */
  doubled: string[];
  /** For each fault: time until all records are handled that were in the topic at the fault, ms. */
  recoveryMs: number[];
  /** Warnings of the daemons, if a record is lost or doubled. */
  warnings: string[];
}

export interface RunOptions {
  cluster: TestCluster;
  config: string;
  /** Store with a model version. */
  trainedStore: string;
  seed: number;
  delivery: RunReport['delivery'];
  faults: readonly Fault[];
  /** Records per second. */
  rate?: number;
}

const partitions = 4;
const longMs = 120_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const sum = (offsets: readonly string[]) =>
  offsets.reduce((total, offset) => total + Math.max(0, Number(offset)), 0);

export async function runWithFaults(options: RunOptions): Promise<RunReport> {
  const { cluster, config, seed, delivery, rate = 200 } = options;
  const random = createRandom(seed);
  const between = (from: number, to: number): number => from + (to - from) * random.uniform();
  const kafka = cluster.client();
  const topic = await cluster.createTopic({ partitions });
  const trains = options.faults.includes('kill training');
  const store = options.faults.includes('fill disk')
    ? await smallDisk(options.trainedStore)
    : await copyStore(options.trainedStore);
  const settings = await plantSettings(cluster, topic, store, { partitions: 3 });
  const overrides: SettingsOverrides = {
    ...settings,
    delivery,
    'window.ttl': '1000d',
    'source.kafka.sessionTimeout': '4s',
    'source.kafka.saveEveryRecords': 100,
    ...(trains && { 'training.schedule': '* * * * * *' }),
  };
  /** Killed ones included. */
  const everyDaemon: VaemonProcess[] = [];
  const start = (): VaemonProcess => {
    const daemon = startVaemon(['run'], config, overrides);
    everyDaemon.push(daemon);
    return daemon;
  };
  const daemons = [start(), ...(random.uniform() < 0.5 ? [start()] : [])];
  const feed = await createFleetFeed({ kafka, topic, partitions, devices: 20, seed });
  /** Pending repairs, such as the restart of a broker; the run waits for them. */
  const repairs: Promise<void>[] = [];
  const recoveryMs: number[] = [];

  async function killBroker(node: number): Promise<void> {
    // A topic needs two of its three replicas.
    await Promise.all(repairs);
    await untilReplicated(cluster);
    await cluster.stop(node, 'kill');
    const awayMs = between(500, 4_000);
    repairs.push(pause(awayMs).then(() => cluster.start(node)));
  }

  const inject: Record<Fault, () => Promise<void>> = {
    async 'kill daemon'() {
      const at = Math.floor(daemons.length * random.uniform());
      await daemons[at]!.signal('SIGKILL');
      daemons[at] = start();
    },
    async 'stop daemon'() {
      const at = Math.floor(daemons.length * random.uniform());
      const daemon = daemons[at]!;
      const status = await daemon.signal('SIGTERM');
      // A full disk refuses the quarantine of recent anomalies; the daemon reports it, also by its exit code.
      // A process that has hardly started ends like any process.
      const isExcused = daemon.stdout().includes('ENOSPC') || daemon.log('engine chosen').length === 0;
      if (status.code !== 0 && !isExcused) throw new Error(`not a clean exit: ${JSON.stringify(status)}`);
      daemons[at] = start();
    },
    'kill broker': () => killBroker(Math.floor(cluster.size * random.uniform())),
    'kill coordinator': async () => killBroker(await coordinatorOf(cluster, groupOf(settings).groupId)),
    async 'move leaders'() {
      await moveLeaders(cluster, [topic, settings['sinks.kafka.detectionsTopic']]);
    },
    async 'kill training'() {
      let pid: number | undefined;
      await until(
        'a training',
        () => (pid = daemons.map(pidOrNone).find((one) => one !== undefined)) !== undefined,
        longMs,
      );
      await pause(between(0, 800));
      try {
        process.kill(pid!, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    },
    async 'fill disk'() {
      const filler = path.join(store, 'filler');
      await writeFile(filler, Buffer.alloc(16 * 1024 * 1024)).catch(() => undefined);
      repairs.push(pause(between(1_000, 3_000)).then(() => rm(filler)));
    },
  };

  try {
    await Promise.all(daemons.map((daemon) => daemon.ready(longMs)));
    feed.start(rate);
    for (const fault of options.faults) {
      await pause(between(200, 1_500));
      const began = Date.now();
      const high = sum((await progressOf(cluster, settings))?.high ?? []);
      await inject[fault]();
      await until(
        `recovery from "${fault}"`,
        async () => sum((await progressOf(cluster, settings))?.committed ?? []) >= high,
        longMs,
      );
      recoveryMs.push(Date.now() - began);
    }
    await pause(between(0, 500));
    await feed.stop();
    await Promise.all(repairs);
    await until(
      'everything to be handled',
      async () => {
        const progress = await progressOf(cluster, settings);
        return progress !== undefined && progress.committed.join() === progress.high.join();
      },
      longMs,
    );
    await Promise.all(daemons.map((daemon) => daemon.ready(longMs)));
    for (const daemon of daemons) {
      const status = await daemon.signal('SIGTERM');
      if (status.code !== 0)
        throw new Error(`vaemon has not stopped cleanly: ${daemon.stdout()}${daemon.stderr()}`);
    }
    await untilReplicated(cluster);
    const expected = await expectedDetections(kafka, topic);
    const { outcomes, offsets } = await actualOutcomes(kafka, topic, settings);
    const origins = [...new Set([...expected.keys(), ...outcomes.keys()])];
    const said = (origin: string) => outcomes.get(origin) ?? [];
    const lost = origins.filter((origin) => {
      const wanted = expected.get(origin) ?? ['not produced'];
      return wanted.join() !== [...new Set(said(origin))].join();
    });
    const doubled = origins
      .filter((origin) => said(origin).length > 1)
      .map((origin) => `${origin}, detections ${offsets.get(origin)?.join(' and ') ?? 'none'}`);
    return {
      seed,
      delivery,
      faults: options.faults,
      records: expected.size,
      lost,
      doubled,
      recoveryMs,
      warnings: isWrong({ delivery, lost, doubled }) ? everyDaemon.flatMap(warningsOf) : [],
    };
  } catch (cause) {
    const logs = daemons.map((daemon) => daemon.stdout().split('\n').slice(-25).join('\n')).join('\n---\n');
    throw new Error(`run ${seed} (${delivery}; ${options.faults.join(', ')}): ${String(cause)}\n${logs}`, {
      cause,
    });
  } finally {
    await Promise.allSettled(repairs);
    await feed.close().catch(() => undefined);
    await Promise.all(daemons.map((daemon) => daemon.signal('SIGKILL')));
  }
}

/** Whether a run violates its delivery guarantee. */
export function isWrong({
  delivery,
  lost,
  doubled,
}: Pick<RunReport, 'delivery' | 'lost' | 'doubled'>): boolean {
  return lost.length > 0 || (delivery === 'exactly-once' && doubled.length > 0);
}

function warningsOf(daemon: VaemonProcess): string[] {
  const lines = daemon.log().filter(({ level }) => level === 'warn' || level === 'error');
  return lines.map((line) => `${daemon.pid}: ${JSON.stringify(line)}`);
}

const pidOrNone = (daemon: VaemonProcess): number | undefined => {
  try {
    return trainingPidOf(daemon);
  } catch {
    return undefined;
  }
};

/** Undefined while Kafka does not answer. */
async function progressOf(cluster: TestCluster, settings: PlantSettings) {
  return readProgress(cluster.client(), groupOf(settings)).catch(() => undefined);
}

/** The broker that coordinates a group. */
async function coordinatorOf(cluster: TestCluster, groupId: string): Promise<number> {
  const admin = cluster.client().admin();
  await admin.connect();
  try {
    const topic = '__consumer_offsets';
    const [known] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics;
    // Java's String.hashCode; its absolute value selects the partition of a group.
    const hash = [...Buffer.from(groupId)].reduce((sum, letter) => (Math.imul(sum, 31) + letter) | 0, 0);
    const partition = Math.abs(hash) % known!.partitions.length;
    return known!.partitions.find(({ partitionId }) => partitionId === partition)!.leader - 1;
  } finally {
    await admin.disconnect();
  }
}

/** Moves the leader of each partition by removing it from the replicas, then restores the replicas. */
async function moveLeaders(cluster: TestCluster, topics: string[]): Promise<void> {
  const admin = cluster.client().admin();
  await admin.connect();
  try {
    const before = (await admin.fetchTopicMetadata({ topics })).topics;
    const assign = (replicasOf: (leader: number, replicas: number[]) => number[]) =>
      admin.alterPartitionReassignments({
        topics: before.map(({ name, partitions: all }) => ({
          topic: name,
          partitionAssignment: all.map(({ partitionId, leader, replicas }) => ({
            partition: partitionId,
            replicas: replicasOf(leader, replicas),
          })),
        })),
      });
    await assign((leader, replicas) => replicas.filter((replica) => replica !== leader));
    await until(
      'other leaders',
      async () => {
        const now = (await admin.fetchTopicMetadata({ topics })).topics;
        const leaderOf = (of: typeof now, name: string, partition: number) =>
          of.find((one) => one.name === name)?.partitions.find((p) => p.partitionId === partition)?.leader;
        return before.every(({ name, partitions: all }) =>
          all.every(({ partitionId, leader }) => leaderOf(now, name, partitionId) !== leader),
        );
      },
      longMs,
    );
    await assign((leader, replicas) => [...replicas.filter((replica) => replica !== leader), leader]);
  } finally {
    await admin.disconnect();
  }
}

/** Waits until every partition, also of Kafka's own topics, has all replicas: the next run may kill another broker. */
async function untilReplicated(cluster: TestCluster): Promise<void> {
  const admin = cluster.client().admin();
  await admin.connect();
  try {
    await until(
      'all replicas to be in sync',
      async () => {
        const { topics } = await admin.fetchTopicMetadata();
        return topics.every(({ partitions: all }) => all.every(({ isr }) => isr.length === cluster.size));
      },
      longMs,
    );
  } finally {
    await admin.disconnect();
  }
}

const disks: string[] = [];

/** A store on a disk of 4 MB; needs permission to mount. */
async function smallDisk(trainedStore: string): Promise<string> {
  const folder = await newFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  disks.push(folder);
  execFileSync('cp', ['-r', `${trainedStore}/.`, folder]);
  return folder;
}

export function removeDisks(): void {
  for (const folder of disks.splice(0)) execFileSync('umount', ['-l', folder]);
}

export function canMount(): boolean {
  const script = 'd=$(mktemp -d) && { mount -t tmpfs tmpfs "$d" && umount "$d"; s=$?; rmdir "$d"; exit $s; }';
  try {
    execFileSync('sh', ['-c', script], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
