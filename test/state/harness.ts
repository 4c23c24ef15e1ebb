/** Processes that score a partition one after another, with a store that they share. */
import { createSilenceScale } from '../../src/calibration/gaps';
import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import type { Detection } from '../../src/domain/detection';
import type { AnomalyEvent } from '../../src/domain/event';
import type { EventLabel } from '../../src/domain/event';
import type { Label } from '../../src/domain/label';
import type { RecordSchema } from '../../src/domain/record';
import { createLimitCheck } from '../../src/domain/signal';
import type { WindowShape } from '../../src/domain/window';
import type { WindowLimits } from '../../src/domain/window-store';
import { createPartitionStates } from '../../src/state/partitions';
import type { StateErrorReason, StateRules } from '../../src/state/rules';
import { createMetrics } from '../../src/metrics/metrics';
import { createPipeline, type ActiveDetector } from '../../src/pipeline/pipeline';
import type { Detector } from '../../src/scoring/detector';
import type { DeadLetter } from '../../src/sinks/sink';
import { decodeEach } from '../../src/codecs/codec';
import { createJsonDecoder } from '../../src/codecs/json/json';
import { firstOffsetToRead, findStart, type Progress } from '../../src/sources/kafka/offsets';
import type { Assignment, HandleBatch, Message } from '../../src/sources/source';
import type { PartitionStore, StoredState } from '../../src/state/store';
import { createFakeDetector } from '../fake-detector';

const schema: RecordSchema = {
  channels: ['value'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [{ name: 'mode', kind: 'category', maxValues: 8, missing: 'unknown' }],
};
const shape: WindowShape = { length: 4, channels: 1, conditions: 1 };
const limits: WindowLimits = { ttlMs: 400, intervalMs: 0, gaps: 'ignore', padding: 'none', maxKeys: 7 };

/** Surprise: `gain` times how far the values of a window lie above the baseline of its device, older ones with less weight. */
export function createSimpleDetector(version: string, table = createCategoryTable(), gain = 1): Detector {
  return createFakeDetector({
    version,
    shape,
    scoresOf(batch, memoryOf) {
      const lowered = new Float64Array(batch.count);
      const marks: (readonly number[])[] = [];
      const surprise = Float64Array.from({ length: batch.count }, (_, i) => {
        let value = 0;
        for (let r = 0; r < shape.length; r++) {
          const at = i * shape.length + r;
          const mode = (table.value(batch.conditions[at]!) ?? '').length;
          const read = Number.isNaN(batch.values[at]!) ? 0.1 : batch.values[at]!;
          value = value / 7 + read + mode / 100 + batch.timestamps[at]! * 1e-7;
        }
        lowered[i] = memoryOf?.(i)?.rise(value) ?? 0;
        marks[i] = memoryOf?.(i)?.mark() ?? [];
        return gain * (value - lowered[i]);
      });
      return {
        count: batch.count,
        surprise,
        extrapolated: new Uint8Array(batch.count),
        statistics: {},
        baselineOf: (i) => memoryOf && { rise: lowered[i]!, shifts: {} },
        markOf: (i) => marks[i]!,
        unknownConditions: 0,
        contributions: (i) => [
          {
            channel: 'value',
            contribution: surprise[i]!,
            surprise: surprise[i]!,
            actual: NaN,
            expected: 1,
            repeats: 0,
          },
        ],
        explain: () => ({ contributions: [], nearestNormal: { reconstruction: 0, leftOut: [], latent: [] } }),
      };
    },
  });
}

/** Keeps states in memory; can fail like a disk. */
export function createMemoryStore() {
  const checksums = new WeakMap<StoredState, string>();
  let numbered = 0;
  /** Another one for each state that was saved. */
  const checksumOf = (state: StoredState): string => {
    const known = checksums.get(state) ?? String(numbered++);
    checksums.set(state, known);
    return known;
  };
  const files = new Map<string, StoredState>();
  const store: PartitionStore & {
    refuse: boolean;
    saves: StoredState[];
    loads: number;
    damage(): void;
  } = {
    refuse: false,
    saves: [],
    loads: 0,
    damage() {
      files.set('t-0', { ...files.get('t-0')!, columns: {} });
    },
    load(topic, partition) {
      store.loads++;
      return Promise.resolve(files.get(`${topic}-${partition}`));
    },
    save(topic, partition, state) {
      if (store.refuse) return Promise.reject(new Error('disk is full'));
      const columns = Object.entries(state.columns).map(([name, column]) => [name, column.slice()] as const);
      const copy = {
        ...state,
        content: structuredClone(state.content),
        columns: Object.fromEntries(columns),
      };
      store.saves.push(copy);
      files.set(`${topic}-${partition}`, copy);
      return Promise.resolve(checksumOf(copy));
    },
    checksum(topic, partition) {
      const state = files.get(`${topic}-${partition}`);
      return Promise.resolve(state && checksumOf(state));
    },
  };
  return store;
}
export const offsetsOf = (store: { saves: readonly StoredState[] }) =>
  store.saves.map(({ offset }) => Number(offset));

export interface ProcessOptions {
  store?: PartitionStore;
  saveEvery?: number;
  maxReplay?: number;
  /** Whether baselines are followed. */
  baselines?: boolean;
  windows?: Partial<WindowLimits>;
  fingerprint?: string;
  /** Alarm budget. */
  eventsPerMs?: number;
  /** Whether devices are watched for silence. */
  silence?: boolean;
  /** Of surprise and threshold. */
  gain?: number;
  /** Labels that are known now. */
  labels?: () => readonly Label[];
  /** Gets all detections as they are written, for processes that write in turn. */
  written?: Detection[];
  /** Field of the event time; default `time`. */
  timeField?: string;
  /** The version that the store names; default `v1`. */
  pointer?: { readonly version: string };
}

/** Events that open, close and are accepted within a few records. */
export const quickEvents = {
  openRecords: 2,
  openWindow: 3,
  minRecords: 1,
  minLengthMs: 0,
  closeAfter: 2,
  silenceMs: 60,
  suppressForMs: 20,
  acceptAfter: 6,
} as const;

/** A scoring process; to kill it, drop it. */
export function createProcess(options: ProcessOptions) {
  const detections: Detection[] = [];
  const events: AnomalyEvent[] = [];
  const deadLetters: DeadLetter[] = [];
  const errors: StateErrorReason[] = [];
  const labelled: EventLabel[] = [];
  const table = createCategoryTable();
  // Each process has other codes for the same categories.
  for (let i = Math.floor(Math.random() * 3); i > 0; i--) table.code(`other-${i}`);
  const { gain = 1, eventsPerMs, silence = false, pointer = { version: 'v1' } } = options;
  const active: ActiveDetector = {
    detector: createSimpleDetector(pointer.version, table, gain),
    threshold: 1.2 * gain,
    ...(silence && { silence: createSilenceScale({ count: 1e6, longest: [4, 3, 3, 3] }) }),
  };
  /** Whether the sink fails at the next write. */
  const sink = { refuse: false };
  const { baselines = true, windows, store, saveEvery, maxReplay, fingerprint = 'f' } = options;
  const follow = (): void => {
    if (active.detector.version !== pointer.version)
      active.detector = createSimpleDetector(pointer.version, table, gain);
  };
  const rules: StateRules = {
    shape,
    windows: { ...limits, ...windows },
    events: {
      ...quickEvents,
      ...(silence && { watchedDevices: 7 }),
      eventsPerMs,
    },
    baselines: baselines ? { records: 64, maxKeys: 7 } : undefined,
    categories: [true],
    table,
    fingerprint,
    ...(store && { store }),
    ...(saveEvery !== undefined && { saveEvery }),
    ...(maxReplay !== undefined && { maxReplay }),
    ...(options.labels && { labels: options.labels }),
    onLabel: (label) => labelled.push(label),
    onError: (reason) => errors.push(reason),
  };
  const states = createPartitionStates(rules);
  const counted = { incomplete: 0 };
  const metrics = createMetrics({ version: '', engine: '', process: false }).forDetector('plant', {
    topics: [],
    sinks: [],
  });
  const handle = createPipeline({
    detectorName: 'plant',
    decode: decodeEach(
      schema,
      createJsonDecoder({
        fields: {
          key: 'key',
          timestamp: options.timeField ?? 'time',
          timestampFormat: 'ms',
          values: 'values',
          conditions: 'conditions',
        },
        schema,
        limits: { maxBytes: 1000, maxAheadMs: 1e9 },
        readConditions: createConditionReader(schema.conditions, table),
      }),
    ),
    states,
    limits: createLimitCheck(schema.channels, []),
    stale: { duplicate: 'reject', out_of_order: 'reject' },
    current: () => ({ ...active }),
    followStore() {
      follow();
      return Promise.resolve();
    },
    sinks: [
      {
        name: 'test',
        write(verdicts) {
          if (sink.refuse) {
            sink.refuse = false;
            return Promise.reject(new Error('the sink is full'));
          }
          detections.push(...verdicts.detections);
          options.written?.push(...verdicts.detections);
          events.push(...verdicts.events);
          deadLetters.push(...verdicts.deadLetters);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      },
    ],
    metrics: { ...metrics, incomplete: (records = 1) => void (counted.incomplete += records) },
    now: () => 0,
    onBroken: (error) => {
      throw error;
    },
  });
  return {
    handle,
    states,
    table,
    detections,
    events,
    deadLetters,
    errors,
    /** Labels that this process has found to take effect. */
    labelled,
    active,
    /** Uses the version that the store names from the next batch on. */
    follow,
    sink,
    counted,
    /** By partition. */
    progress: new Map<number, Progress>(),
  };
}
export type Process = ReturnType<typeof createProcess>;

/** Records of devices with very different rates, some of which pause; a few cannot be decoded. */
export function createStream(count: number, seed: number, { late = true, partition = 0 } = {}): Message[] {
  const random = (i: number) => Math.abs(Math.sin((i + 1) * 12.9898 + seed) * 43758.5453) % 1;
  const time = new Map<string, number>();
  return Array.from({ length: count }, (_, i) => {
    const key = `${partition === 0 ? '' : partition}k${Math.floor(12 * random(2 * i) ** 3)}`;
    const stale = late && random(7 * i) > 0.96;
    const at = stale ? (time.get(key) ?? i) - Math.floor(2 * random(i)) : i;
    if (!stale) time.set(key, i);
    const value = random(i) / 2 + Math.floor(3 * random(Math.floor(i / 40))) / 2;
    const text = JSON.stringify({
      key,
      time: at,
      values: [value],
      conditions: random(3 * i) > 0.3 ? { mode: 'm'.repeat(1 + (i % 5)) } : {},
    });
    return {
      key: null,
      value: Buffer.from(random(5 * i) > 0.98 ? 'rubbish' : text),
      timestamp: 0,
      origin: { topic: 't', partition, offset: String(i) },
      warmUp: false,
    };
  });
}

/** A partition and its committed offset, assigned to one process after another as by the Kafka source. */
export function createPartition(
  messages: readonly Message[],
  { warmUpRecords = 20, low = 0, partitions = 1 } = {},
) {
  const partition = messages[0]?.origin.partition ?? 0;
  let committed = -1n;
  return {
    committed: () => Number(committed),
    commitTo: (offset: number) => (committed = BigInt(offset)),
    async assign(to: Process, from = low) {
      const facts = {
        low: BigInt(from),
        high: BigInt(messages.length),
        committed,
        known: to.progress.get(partition),
      };
      const place = findStart(facts, { startFrom: 'earliest' });
      const { liveFrom, processedBefore } = place;
      const state = to.states.of('t', partition);
      const after = processedBefore && !place.restarted ? await state.restorePoint(liveFrom) : undefined;
      const begin = firstOffsetToRead(liveFrom, facts.low, after, warmUpRecords);
      let assignment: Assignment | undefined = {
        from: begin,
        liveFrom,
        after,
        processedBefore,
        partitions,
      };
      let next = Number(begin);
      let confirmed = committed;
      /** Delivers one batch; returns whether more follow. */
      return async (size: number, commit = true): Promise<boolean> => {
        const batch = messages
          .slice(next, next + size)
          .map((message, i) => ({ ...message, warmUp: BigInt(next + i) < liveFrom }));
        if (batch.length === 0) return false;
        const given = { topic: 't', partition, messages: batch, lag: 0, committed: confirmed };
        await to.handle({ ...given, assignment });
        assignment = undefined;
        next += batch.length;
        if (next >= liveFrom) to.progress.set(partition, { position: BigInt(next), committed: true });
        if (commit && next > liveFrom) committed = confirmed = BigInt(next);
        return next < messages.length;
      };
    },
  };
}

export const inTurn = (messages: readonly Message[], size = 100): Message[][] =>
  Array.from({ length: Math.ceil(messages.length / size) }, (_, i) =>
    messages.slice(i * size, (i + 1) * size),
  );
export const deliver = (handle: HandleBatch, messages: readonly Message[]) =>
  handle({ topic: 't', partition: 0, messages, lag: 0 });
