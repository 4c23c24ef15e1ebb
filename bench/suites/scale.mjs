/**
 * Rebalances and restores with a thousand partitions. Scorers are processes with the daemon's planning, state and pipeline; the suite
 * is their broker: it assigns partitions, keeps the committed offsets, and makes the records. A partition holds one of a few streams,
 * so that the state of a stream, filled once, serves all partitions that hold it.
 */
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startContender } from '../lib/contenders.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);

const script = (name) => new URL(`../contenders/${name}.mjs`, import.meta.url).pathname;
const shape = { channels: 8, window: 32 };
const streams = 4;
/** Records of a device between two saves of its partition, as `src/state/saving.ts` has it. */
const recordsPerDevice = 20;
/** Rounds of all devices before the first rebalance: windows are full, and a save has followed. */
const filledRounds = 44;
/** Rounds of all devices that are judged between the start and the rebalances. */
const steadyRounds = 5;
/** Devices of one partition, for what state takes as it grows. */
const partitionSizes = [100, 1000, 10_000];
/** Partitions of that size that one process restores in one assignment. */
const together = 16;

async function withScorer(folder, options, work) {
  const scorer = await startContender('scorer', process.execPath, [script('scorer')]);
  try {
    await scorer.ask({
      what: 'open',
      path: join(folder, 'version'),
      recordsPerSave: 1,
      watch: [],
      ...options,
    });
    return await work(scorer);
  } finally {
    await scorer.end();
  }
}

async function trainVersion(folder) {
  const trainer = await startContender('trainer', process.execPath, [script('pipeline')]);
  try {
    await trainer.ask({ ...shape, keys: 10, what: 'train', path: join(folder, 'version') });
  } finally {
    await trainer.end();
  }
}

/** What the state of one partition takes: filled, saved, restored by another process. */
async function measureSize(folder, keys) {
  const options = { sizes: { ...shape, keys, streams: 1 }, store: join(folder, `of-${keys}`) };
  const high = filledRounds * keys;
  const one = (committed) => ({ what: 'assign', offsets: [[0, committed]], partitions: 1, high });
  const filled = await withScorer(folder, options, async (scorer) => {
    await scorer.ask(one(-1));
    return scorer.ask({ what: 'judge', records: high });
  });
  const path = (p) => join(options.store, `bench/partitions/bench-${p}.state`);
  const { size } = statSync(path(0));
  const restored = await withScorer(folder, options, (scorer) => scorer.ask(one(high)));
  for (let p = 1; p < together; p++) copyFileSync(path(0), path(p));
  const many = await withScorer(folder, options, (scorer) =>
    scorer.ask({
      what: 'assign',
      offsets: Array.from({ length: together }, (_, p) => [p, high]),
      partitions: together,
      high,
    }),
  );
  rmSync(options.store, { recursive: true });
  return {
    keys,
    bytes: size / keys,
    saveMs: filled.saveMs / filled.saves,
    restoreMs: restored.ms,
    restoreCpuMs: restored.cpuMs,
    blockedMs: restored.blockedMs,
    together: { ms: many.ms, cpuMs: many.cpuMs, blockedMs: many.blockedMs, rss: many.rss, peak: many.peak },
  };
}

/** Who gets which partition, as kafkajs has it: in turns, members in the order of their ids. */
function inTurns(members, partitions) {
  const sorted = [...members].sort();
  return new Map(
    sorted.map((member, i) => [
      member,
      Array.from({ length: partitions }, (_, p) => p).filter((p) => p % sorted.length === i),
    ]),
  );
}

/** As the daemon has it: members keep what they have. */
function keepShares(members, partitions, previous) {
  const { shareOut } = dist('sources/kafka/assigner');
  const all = Array.from({ length: partitions }, (_, p) => p);
  return shareOut(
    all,
    new Map(members.map((member) => [member, all.filter((p) => previous.get(p) === member)])),
  );
}

/** Ids in an order that has nothing to do with that of their start, as those of a broker. */
function createIds() {
  let state = 7;
  return () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return `vaemon-${state.toString(16).padStart(8, '0')}`;
  };
}

/** Starts with full windows: every stream is judged once, then its state is that of all partitions that hold it. */
async function fillStore(folder, keys, partitions) {
  const store = join(folder, 'store');
  const high = filledRounds * keys;
  const offsets = Array.from({ length: streams }, (_, p) => [p, -1]);
  await withScorer(folder, { sizes: { ...shape, keys, streams }, store }, async (scorer) => {
    await scorer.ask({ what: 'assign', offsets, partitions: streams, high });
    await scorer.ask({ what: 'judge', records: high });
  });
  const path = (p) => join(store, `bench/partitions/bench-${p}.state`);
  const { createStateStore } = dist('state/store');
  const { offset } = await createStateStore({ directory: store, detector: 'bench' }).load('bench', 0);
  for (let p = streams; p < partitions; p++) copyFileSync(path(p % streams), path(p));
  const bytes = statSync(path(0)).size;
  // A partition is lost anywhere between two saves.
  const committed = Array.from({ length: partitions }, (_, p) =>
    p < streams
      ? high
      : Number(offset) + 1 + Math.floor(((p * 0.618033988749895) % 1) * recordsPerDevice * keys),
  );
  return { store, bytes, committed };
}

/** The same streams in one process that nothing disturbs. */
async function undisturbed(folder, keys, high) {
  const offsets = Array.from({ length: streams }, (_, p) => [p, -1]);
  const watch = offsets.map(([p]) => p);
  return withScorer(folder, { sizes: { ...shape, keys, streams }, watch }, async (scorer) => {
    await scorer.ask({ what: 'assign', offsets, partitions: streams, high });
    await scorer.ask({ what: 'judge', records: high });
    const { seen } = await scorer.ask({ what: 'written' });
    return new Map(seen.map(([p, detections]) => [p, new Map(detections)]));
  });
}

/**
 * @param assignTo gives the partitions to members
 * @param steps who comes and goes
 */
async function simulate({ folder, scaleSize, assignTo, steps, log }) {
  const { partitions, scorers: count, devices: keys, watchedPartitions } = scaleSize;
  const { store, bytes, committed } = await fillStore(folder, keys, partitions);
  const watch = Array.from({ length: watchedPartitions }, (_, i) =>
    Math.floor((i * (partitions - 1)) / (watchedPartitions - 1)),
  );
  const nextId = createIds();
  const members = new Map();
  const seen = new Map();
  const rows = [];
  let owners = new Map();
  let previous = new Map();

  async function startScorer() {
    const id = nextId();
    const scorer = await startContender(id, process.execPath, [script('scorer')]);
    await scorer.ask({
      what: 'open',
      sizes: { ...shape, keys, streams },
      path: join(folder, 'version'),
      store,
      watch,
      recordsPerSave: 1,
    });
    members.set(id, scorer);
  }

  async function collect(scorer) {
    const { seen: found } = await scorer.ask({ what: 'written' });
    for (const [partition, detections] of found)
      seen.set(partition, [...(seen.get(partition) ?? []), ...detections]);
  }

  /** @param inOrder whether the process is stopped, or dies */
  async function leave(inOrder) {
    const [id, scorer] = [...members][0];
    await collect(scorer);
    const stopped = inOrder ? await scorer.ask({ what: 'stop' }) : undefined;
    await scorer.end();
    members.delete(id);
    return stopped;
  }

  async function rebalance(name, stopped) {
    owners = assignTo([...members.keys()], partitions, previous);
    const moved = [...owners].flatMap(([id, own]) => own.filter((p) => previous.get(p) !== id)).length;
    for (const [id, own] of owners) for (const p of own) previous.set(p, id);
    const high = Math.max(...committed);
    const answers = await Promise.all(
      [...owners].map(async ([id, own]) => {
        const scorer = members.get(id);
        const planned = await scorer.ask({
          what: 'assign',
          offsets: own.map((p) => [p, committed[p]]),
          partitions,
          high,
        });
        const first = await scorer.ask({ what: 'judge', records: keys });
        return { planned, first };
      }),
    );
    for (const { planned, first } of answers) {
      if (planned.problems.length > 0) throw new Error(`state was not restored: ${planned.problems[0]}`);
      for (const [p, offset] of first.offsets) committed[p] = offset;
    }
    const all = (value) => answers.map(value);
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const pauses = answers.flatMap(({ planned, first }) => first.liveMs.map((ms) => planned.ms + ms));
    const row = {
      name,
      members: members.size,
      moved,
      loads: sum(all(({ planned }) => planned.loads)),
      planMs: Math.max(...all(({ planned }) => planned.ms)),
      planCpuMs: sum(all(({ planned }) => planned.cpuMs)),
      blockedMs: Math.max(...all(({ planned }) => planned.blockedMs)),
      replayed: sum(all(({ first }) => first.replayed)),
      meanPauseMs: sum(pauses) / pauses.length,
      longestPauseMs: Math.max(...pauses),
      ...(stopped && { stopMs: stopped.ms, stopCpuMs: stopped.cpuMs, stopSaves: stopped.saves }),
      planPeak: Math.max(...all(({ planned }) => planned.peak)),
      peak: Math.max(...all(({ first }) => first.peak)),
    };
    rows.push(row);
    log(JSON.stringify(row));
  }

  /** Without a rebalance: what judging takes, and what is saved meanwhile. */
  async function judge(records) {
    const answers = await Promise.all(
      [...members.values()].map((scorer) => scorer.ask({ what: 'judge', records })),
    );
    for (const { offsets } of answers) for (const [p, offset] of offsets) committed[p] = offset;
    const sum = (name) => answers.reduce((total, one) => total + one[name], 0);
    const row = {
      judged: sum('judged'),
      handleMs: sum('handleMs'),
      cpuMs: sum('cpuMs'),
      saves: sum('saves'),
      saveMs: sum('saveMs'),
      savedBytes: sum('savedBytes'),
      ms: Math.max(...answers.map(({ ms }) => ms)),
      rss: Math.max(...answers.map(({ rss }) => rss)),
    };
    log(JSON.stringify(row));
    return row;
  }

  const changes = {
    'one stops': () => leave(true),
    'one dies': () => leave(false),
    'one joins': () => startScorer(),
  };

  try {
    for (let i = 0; i < count; i++) await startScorer();
    await rebalance('all start');
    const steady = await judge(steadyRounds * keys);
    for (const step of steps) await rebalance(step, await changes[step]());
    for (const scorer of members.values()) await collect(scorer);
    return { bytes, rows, steady, seen, high: Math.max(...committed) };
  } finally {
    await Promise.all([...members.values()].map((scorer) => scorer.end()));
    rmSync(store, { recursive: true });
  }
}

/** Every detection that scorers wrote of the watched partitions is that of the undisturbed process, and none is missing. */
function compare(seen, expected) {
  let compared = 0;
  for (const [partition, detections] of seen) {
    const of = expected.get(partition % streams);
    const offsets = detections.map(([offset]) => offset).sort((a, b) => a - b);
    offsets.forEach((offset, i) => {
      if (offset !== offsets[0] + i) throw new Error(`partition ${partition} lacks offset ${offsets[0] + i}`);
    });
    for (const [offset, hash] of detections) {
      if (of.get(offset) !== hash)
        throw new Error(`partition ${partition}, offset ${offset}: another detection after a restore`);
      compared++;
    }
  }
  return compared;
}

export async function run({ scaleSize, log }) {
  const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
  try {
    await trainVersion(folder);
    const sizes = [];
    for (const keys of partitionSizes) {
      sizes.push(await measureSize(folder, keys));
      log(JSON.stringify(sizes.at(-1)));
    }
    const strategies = { 'in turns': inTurns, 'kept where possible': keepShares };
    const simulations = [];
    let high = 0;
    for (const [name, assignTo] of Object.entries(strategies)) {
      log(name);
      const result = await simulate({
        folder,
        scaleSize,
        assignTo,
        steps: ['one stops', 'one joins', 'one dies'],
        log,
      });
      simulations.push({ name, ...result });
      high = Math.max(high, result.high);
    }
    const expected = await undisturbed(folder, scaleSize.devices, high);
    const compared = simulations.map(({ seen }) => compare(seen, expected));
    for (const { seen } of simulations)
      if (seen.size !== scaleSize.watchedPartitions)
        throw new Error(`detections of ${seen.size} partitions, not of ${scaleSize.watchedPartitions}`);
    log(`${compared.join(', ')} detections are those of an undisturbed process`);
    return {
      ...scaleSize,
      sizes,
      simulations: simulations.map(({ seen, ...one }, i) => ({ ...one, compared: compared[i] })),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const whole = (value) => Math.round(value).toLocaleString('en');
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '-' : '-:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`);

export function format({ partitions, scorers, devices, sizes, simulations }) {
  const sizeRows = sizes.map(({ keys, bytes, saveMs, restoreMs, restoreCpuMs, together: many }) => [
    whole(keys),
    whole(bytes),
    ...[saveMs, restoreMs, restoreCpuMs].map((ms) => `${whole(ms)} ms`),
    `${((1000 * many.cpuMs) / (keys * together)).toFixed(0)} µs`,
    `${whole(many.blockedMs)} ms`,
    `${whole(many.rss)} MB`,
    `${whole(many.peak)} MB`,
  ]);
  const rows = simulations.flatMap(({ name: strategy, rows: steps }) =>
    steps.map((step) => [
      strategy,
      step.name,
      whole(step.moved),
      whole(step.loads),
      step.stopSaves === undefined ? '' : `${whole(step.stopCpuMs)} ms`,
      `${whole(step.planMs)} ms`,
      `${whole(step.planCpuMs)} ms`,
      `${whole(step.blockedMs)} ms`,
      whole(step.replayed),
      `${(step.meanPauseMs / 1000).toFixed(1)} s`,
      `${(step.longestPauseMs / 1000).toFixed(1)} s`,
      `${whole(step.peak)} MB`,
    ]),
  );
  return [
    `State of a partition, 8 channels, windows of 32; ${together} partitions together in one process:`,
    '',
    ...table(
      [
        'devices',
        'bytes a device',
        'save',
        'restore',
        'of it CPU',
        'together: CPU a device',
        'event loop blocked',
        'RSS',
        'peak',
      ],
      sizeRows,
    ),
    '',
    `${whole(partitions)} partitions of ${devices} devices, ${scorers} scorers:`,
    '',
    ...table(
      [
        'partitions are given',
        'step',
        'move',
        'read',
        'saves of the one that stops, CPU',
        'plan',
        'CPU of all',
        'event loop blocked',
        'records read again',
        'pause of a partition',
        'longest',
        'peak RSS',
      ],
      rows,
    ),
    '',
    `${simulations.map(({ compared }) => whole(compared)).join(' and ')} detections compared with those of a process that nothing disturbs: the same to the last bit.`,
  ].join('\n');
}
