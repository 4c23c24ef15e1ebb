/**
 * Canaries: faults put into normal records (domain/faults.ts), which are then scored as in live use, with the same windows,
 * memory of the device, calibration and threshold. A canary is found if a record alarms that would not alarm without the fault.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MemorySnapshot } from '../calibration/memory';
import type { TimeRules } from '../domain/continuity';
import type { FaultKind } from '../domain/fault-kinds';
import { putFault, recordFaults, type RecordFault } from '../domain/faults';
import { imageFaults, putImageFault, type ImageFault } from '../domain/image-faults';
import type { Values } from '../domain/record';
import { clearWindows, type RecordColumns } from '../domain/window';
import { createWindowStore } from '../domain/window-store';
import type { Random } from '../tensor';
import { mergePower, type DetectionPower, type FaultPower } from './detection-power';
import type { Detector } from './detector';
import { engineRows } from './encode';
import type { DeviceMemories, DeviceMemory } from './memory';

/** Consecutive normal records of one device. */
export interface CanaryStretch extends RecordColumns {
  key: string;
  /** First row that the memory has not seen; the window already contains it. */
  known: number;
  /** Memory before that row; absent = the memory at the end of the history. */
  memory?: MemorySnapshot | undefined;
  /** First row to put a fault into. A fault sees as many earlier rows live as in training: a window. */
  from: number;
}

/**
 * Number of records for which a fault is watched, the first one with the fault included; next to it, the shorter times that are
 * reported.
 */
export const watchedRecords = 32;
const withinRecords = [1, 4, watchedRecords];

export interface CanaryOptions {
  threshold: number;
  time: TimeRules;
  random: Random;
  /** Aborts the search, which then has no result. */
  signal?: AbortSignal;
}

/** @returns undefined if there is no stretch that a fault can be put into, or if the search was aborted */
export async function findFaults(
  detector: Detector,
  stretches: readonly CanaryStretch[],
  { threshold, time, random, signal }: CanaryOptions,
): Promise<DetectionPower | undefined> {
  const isImage = detector.state.image !== undefined;
  const within = isImage ? [1] : withinRecords;
  const isAborted = (): boolean => signal?.aborted === true;
  const judge = createJudge(detector, threshold, time, isAborted);
  const powers: DetectionPower[] = [];
  for (const stretch of stretches) {
    const { from, known } = stretch;
    const control = judge.begin(stretch, stretch.values, known, stretch.memory);
    await judge.run(control, from);
    const memory = control.memories.snapshot();
    await judge.run(control, Infinity);
    if (isAborted()) return undefined;
    if (control.foundAt < Infinity) {
      powers.push({ within, stretches: 0, alarming: 1, faults: [] });
      continue;
    }
    const faults: FaultPower[] = [];
    for (const group of inGroups(plant(detector, stretch, random), stretch.values.length)) {
      const canaries = group.map((planted) => ({
        ...planted,
        run: judge.begin(stretch, planted.values, from, memory),
      }));
      // Records are scored one by one, so that a canary costs nothing further once it is found.
      for (let to = from + 1; to <= stretch.timestamps.length; to++) {
        for (const { run } of canaries) await judge.enter(run, to);
        await judge.flush();
      }
      if (isAborted()) return undefined;
      for (const { kind, size, unit, run } of canaries) {
        const found = within.map((records) => (run.foundAt < records ? 1 : 0));
        faults.push({ kind, size, unit, canaries: 1, found });
      }
    }
    powers.push({ within, stretches: 1, alarming: 0, faults });
  }
  const power = mergePower(powers);
  return power?.faults.length === 0 ? undefined : power;
}

interface Planted {
  kind: FaultKind;
  size: number;
  unit: string;
  /** Values of the whole stretch, with the fault. */
  values: Values;
}

/**
 * Maximum number of values in the windows that are scored at once, and in canaries at a time, unless one has more: bounds
 * memory.
 */
const mostValues = 4_000_000;

/** @param size number of values of a canary */
function* inGroups(planted: Iterable<Planted>, size: number): Generator<Planted[]> {
  let group: Planted[] = [];
  for (const one of planted) {
    group.push(one);
    if ((group.length + 1) * size <= mostValues) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** One canary of each kind and size. */
function* plant(
  { state, shape }: Detector,
  { values, from }: CanaryStretch,
  random: Random,
): Generator<Planted> {
  const { image, channels, counters, scaler } = state;
  const width = shape.channels;
  function* plantOne(
    kind: FaultKind,
    size: number,
    unit: string,
    first: number,
    faulty: Values | undefined,
  ): Generator<Planted> {
    if (faulty === undefined) return;
    const all = values.slice();
    all.set(faulty, first * width);
    yield { kind, size, unit, values: all };
  }
  if (image !== undefined) {
    const pixels = values.subarray(from * width, (from + 1) * width) as Uint8Array;
    for (const kind of Object.keys(imageFaults) as ImageFault[]) {
      const { sizes, unit } = imageFaults[kind];
      for (const size of sizes)
        yield* plantOne(kind, size, unit, from, putImageFault(kind, size, pixels, image, random));
    }
    return;
  }
  // For a counter, the scale is that of its rate, so no fault is put into it.
  const known = channels.flatMap((name, j) =>
    scaler.count[j] === 0 || counters?.includes(name) === true ? [] : [j],
  );
  const scales = { channels: known, scale: scaler.scale };
  const first = Math.max(0, from - shape.length);
  const site = { values: values.subarray(first * width), width, from: from - first };
  for (const kind of Object.keys(recordFaults) as RecordFault[]) {
    const { sizes, unit } = recordFaults[kind];
    for (const size of sizes)
      yield* plantOne(kind, size, unit, first, putFault(kind, size, site, scales, random));
  }
}

/** A run of the detector over a stretch. */
interface Run {
  stretch: CanaryStretch;
  /** Values of the stretch, with or without a fault. */
  values: Values;
  windows: ReturnType<typeof createWindowStore>;
  memories: DeviceMemories;
  memory: DeviceMemory;
  /** Next row to score. */
  next: number;
  /** Number of records from the first faulty one to the first that alarms. */
  foundAt: number;
}

/** Scores the records of stretches like the daemon. */
function createJudge(detector: Detector, threshold: number, time: TimeRules, isAborted: () => boolean) {
  const { shape } = detector;
  const fitting = Math.floor(mostValues / (shape.length * shape.channels));
  const batch = detector.createBatch(Math.max(1, Math.min(engineRows, fitting)));
  /** The run and the row of each window of the batch. */
  let judged: { run: Run; row: number }[] = [];

  async function flush(): Promise<void> {
    if (batch.count === 0 || isAborted()) return;
    const { aboveBaseline } = await detector.score(batch, (window) => judged[window]!.run.memory);
    judged.forEach(({ run, row }, window) => {
      const after = row - run.stretch.from;
      if (aboveBaseline[window]! >= threshold && after >= 0) run.foundAt = Math.min(run.foundAt, after);
    });
    clearWindows(batch);
    judged = [];
    await nextTurn();
  }

  /** Scores the records up to row `to`, unless one has alarmed. */
  async function enter(run: Run, to: number): Promise<void> {
    const { key, timestamps, conditions } = run.stretch;
    const end = Math.min(to, timestamps.length);
    for (; run.next < end && run.foundAt === Infinity; run.next++) {
      const row = run.next;
      if (run.windows.push(key, row, timestamps, run.values, conditions) !== 'ready') continue;
      run.memory.enter(run.values, row * shape.channels, timestamps[row]!);
      run.windows.copy(key, batch);
      run.memory.recall(batch, batch.count - 1);
      judged.push({ run, row });
      if (batch.count === batch.capacity) await flush();
      if (isAborted()) return;
    }
  }

  return {
    flush,
    enter,
    async run(run: Run, to: number): Promise<void> {
      await enter(run, to);
      await flush();
    },
    /** @param next first row that windows and memory have not seen */
    begin(stretch: CanaryStretch, values: Values, next: number, memory: MemorySnapshot | undefined): Run {
      const { key, timestamps, conditions } = stretch;
      const windows = createWindowStore(shape, { ...time, maxKeys: 1 });
      // Starts one record before the window: the rate of a counter needs the previous record.
      for (let row = Math.max(0, next - shape.length - 1); row < next; row++)
        windows.push(key, row, timestamps, values, conditions);
      const memories = detector.createMemories({ maxKeys: 1 }, memory);
      return { stretch, values, windows, memories, memory: memories.of(key), next, foundAt: Infinity };
    },
  };
}
