/**
 * One of the processes that score a topic together: `scorer.mjs` takes lines of JSON. Planning, state and pipeline are those of the
 * daemon; the broker, its offsets and its records are the suite's.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { deserialize } from 'node:v8';
import { answer } from '../lib/answer.mjs';
import { loadDetector } from '../lib/in-process.mjs';
import { createSettings } from '../lib/plain-detector.mjs';
import { residentMb } from '../lib/process.mjs';
import { createStream } from '../lib/streams.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { openEngines, usualEngines } = dist('runtime/engines');
const { planStarts } = dist('sources/kafka/planning');
const { TopicProgress } = dist('sources/kafka/progress');
const { createPartitionStates } = dist('state/partitions');
const { stateRules } = dist('state/rules');
const { createStateStore } = dist('state/store');

const topic = 'bench';
/** What kafkajs fetches of a partition at once, records. */
const fetchRecords = 4000;

let settings;
let keys;
let streams;
let states;
let handle;
let handleWatched;
let watched;
let progress;
let assigned = new Map();
let seen = new Map();
let used;

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const bytesOf = ({ columns, content }) =>
  Object.values(columns).reduce((sum, { byteLength }) => sum + byteLength, 0) +
  JSON.stringify(content).length;

/** The store of the daemon, with what is read and written counted. */
function createCountedStore(directory) {
  const store = createStateStore({ directory, detector: topic });
  return {
    async load(of, partition) {
      const state = await store.load(of, partition);
      if (state !== undefined) used.loads++;
      return state;
    },
    async save(of, partition, state) {
      const began = performance.now();
      const checksum = await store.save(of, partition, state);
      used.saves++;
      used.saveMs += performance.now() - began;
      used.savedBytes += bytesOf(state);
      return checksum;
    },
    ...(store.checksum && { checksum: (...of) => store.checksum(...of) }),
  };
}

/** Watches what a step uses; the peak of memory is that of the step. */
async function begin() {
  used = { loads: 0, saves: 0, saveMs: 0, savedBytes: 0 };
  writeFileSync('/proc/self/clear_refs', '5');
  let [blockedMs, ticked] = [0, performance.now()];
  const timer = setInterval(() => {
    const now = performance.now();
    [blockedMs, ticked] = [Math.max(blockedMs, now - ticked), now];
  }, 1);
  // Measures nothing before it has run.
  await pause(5);
  const [began, cpu] = [performance.now(), cpuMs()];
  return async () => {
    const [ms, usedMs] = [performance.now() - began, cpuMs() - cpu];
    await pause(5);
    clearInterval(timer);
    return {
      ...used,
      ms,
      cpuMs: usedMs,
      blockedMs,
      rss: residentMb(process.pid),
      peak: residentMb(process.pid, 'peak'),
    };
  };
}

async function open({ sizes, path, store, watch, recordsPerSave }) {
  settings = await createSettings(sizes);
  keys = sizes.keys;
  streams = Array.from({ length: sizes.streams }, (_, i) => createStream(sizes.channels, sizes.keys, i));
  const engines = await openEngines(usualEngines, { threaded: true });
  const detector = await loadDetector(settings, engines, deserialize(readFileSync(path)));
  const problems = [];
  states = createPartitionStates({
    ...stateRules(settings, detector.recordDecoder),
    saveEvery: recordsPerSave,
    labels: () => [],
    ...(store && { store: createCountedStore(store) }),
    onError: (reason, fields) => problems.push(`${reason} ${JSON.stringify(fields)}`),
  });
  watched = new Set(watch);
  progress = new TopicProgress();
  handle = detector.createHandle(({ deadLetters }) => refuse(deadLetters), true, states);
  handleWatched = detector.createHandle(
    ({ detections, deadLetters }) => {
      refuse(deadLetters);
      for (const { origin, ...detection } of detections) note(origin, detection);
    },
    false,
    states,
  );
  open.problems = problems;
  return { rss: residentMb(process.pid) };
}

function refuse(deadLetters) {
  if (deadLetters.length > 0) throw new Error(deadLetters[0].message);
}

/** The whole detection except the number of its partition, which other partitions with the same stream do not have. */
function note({ partition, offset }, detection) {
  const text = JSON.stringify(detection);
  let of = seen.get(partition);
  if (of === undefined) seen.set(partition, (of = []));
  of.push([Number(offset), createHash('sha256').update(text).digest('base64').slice(0, 16)]);
}

/** As after a rebalance: `offsets` are [partition, committed offset] of what is assigned. */
async function assign({ offsets, partitions, high }) {
  const end = await begin();
  const own = offsets.map(([partition]) => partition);
  states.keepOnly(topic, own);
  const before = new Map(own.map((partition) => [partition, states.of(topic, partition).windows.size]));
  const plans = await planStarts(own, {
    admin: {
      fetchOffsets: () =>
        Promise.resolve([
          {
            partitions: offsets.map(([partition, committed]) => ({ partition, offset: String(committed) })),
          },
        ]),
      fetchTopicOffsets: () =>
        Promise.resolve(
          Array.from({ length: partitions }, (_, partition) => ({
            partition,
            low: '0',
            high: String(high),
          })),
        ),
    },
    progress,
    restorePoints: {
      keepOnly: () => undefined,
      restorePoint: (partition, liveFrom) => states.of(topic, partition).restorePoint(liveFrom),
    },
    committer: undefined,
    settings: { topic, groupId: topic, startFrom: 'earliest', warmUpRecords: 1000 },
  });
  assigned = new Map(
    plans.map(({ partition, offsets: { committed }, assignment }) => [
      partition,
      { assignment, committed, next: assignment.from, accepted: false },
    ]),
  );
  const kept = plans.filter(
    ({ partition, assignment: { after, liveFrom } }) => after === liveFrom - 1n && before.get(partition) > 0,
  ).length;
  return { ...(await end()), kept, problems: open.problems.splice(0) };
}

/** Judges `records` of each partition beyond its committed offset, one fetch of a partition after the other. */
async function judge({ records }) {
  const end = await begin();
  const began = performance.now();
  const liveMs = [];
  let [replayed, judged, handleMs] = [0, 0, 0];
  const ends = new Map(
    [...assigned].map(([partition, { assignment }]) => [partition, assignment.liveFrom + BigInt(records)]),
  );
  for (const [partition, one] of assigned) if (one.accepted) ends.set(partition, one.next + BigInt(records));
  let rest = [...assigned];
  while (rest.length > 0) {
    for (const [partition, one] of rest) {
      const until = ends.get(partition);
      const chunkRecords = Math.min(1000, 4 * keys);
      for (let i = 0; i < fetchRecords && one.next < until; i += chunkRecords) {
        const { liveFrom } = one.assignment;
        const count = Math.min(chunkRecords, Number(until - one.next));
        const messages = streams[partition % streams.length](Number(one.next), count, partition);
        const warm = Math.max(0, Math.min(count, Number(liveFrom - one.next)));
        for (let k = 0; k < warm; k++) messages[k].warmUp = true;
        const from = performance.now();
        await (watched.has(partition) ? handleWatched : handle)({
          topic,
          partition,
          messages,
          lag: 0,
          assignment: one.accepted ? undefined : one.assignment,
          committed: one.committed,
        });
        handleMs += performance.now() - from;
        one.accepted = true;
        one.next += BigInt(count);
        replayed += warm;
        judged += count - warm;
        if (one.next >= liveFrom) progress.handled(partition, one.next);
        if (one.next <= liveFrom) continue;
        if (one.isLive !== true) liveMs.push(performance.now() - began);
        one.isLive = true;
        one.committed = one.next;
        progress.confirmed(partition, one.next);
      }
    }
    rest = rest.filter(([partition, { next }]) => next < ends.get(partition));
  }
  const offsets = [...assigned].map(([partition, { committed }]) => [partition, Number(committed)]);
  return { ...(await end()), offsets, liveMs, replayed, judged, handleMs, devices: states.devices };
}

/** What was written of the watched partitions since the last call. */
function written() {
  const all = [...seen];
  seen = new Map();
  return { seen: all };
}

/** As a process that is stopped in order: it saves what it has processed since the last save. */
async function stop() {
  const end = await begin();
  for (const [partition, { committed }] of assigned)
    await states.of(topic, partition).save?.(BigInt(committed));
  return end();
}

const steps = { open, assign, judge, written, stop };
await answer({ node: process.version }, ({ what, ...request }) => steps[what](request));
process.exit(0);
