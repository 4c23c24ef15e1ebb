/** A pipeline with a detector, a sink and metrics that a test can look into. */
import { decodeEach, type DecodeBatch } from '../../src/codecs/codec';
import { createJsonDecoder } from '../../src/codecs/json/json';
import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import type { TimeRules } from '../../src/domain/continuity';
import { createExplanationRule } from '../../src/domain/explanations';
import type { RecordSchema } from '../../src/domain/record';
import { createLimitCheck, type SignalSpec } from '../../src/domain/signal';
import type { WindowShape } from '../../src/domain/window';
import type { DetectorMetrics } from '../../src/metrics/metrics';
import { createPipeline, type ActiveDetector, type PipelineParts } from '../../src/pipeline/pipeline';
import type { Detector } from '../../src/scoring/detector';
import type { DetectionBatch, Sink } from '../../src/sinks/sink';
import type { HandleBatch, Message } from '../../src/sources/source';
import { createPartitionStates } from '../../src/state/partitions';
import { eventPolicy } from '../domain/event-policy';
import { createFakeDetector } from '../fake-detector';

export const schema: RecordSchema = {
  channels: ['surprise', 'channel'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [{ name: 'mode', kind: 'category', maxValues: 4, missing: 'unknown' }],
};
export const shape: WindowShape = { length: 2, channels: 2, conditions: 1 };
export const now = 1_000_000;
const timeRules: TimeRules = { ttlMs: 1e9, intervalMs: 0, gaps: 'ignore', padding: 'none' };

/** The first channel of the newest record is the surprise of its window. */
export function createSimpleDetector(version = 'v1'): Detector {
  return createFakeDetector({
    version,
    shape,
    scoresOf(batch) {
      const newest = (window: number) => (window * shape.length + shape.length - 1) * shape.channels;
      const surprise = Float64Array.from({ length: batch.count }, (_, i) => batch.values[newest(i)]!);
      const contribution = (channel: string, i: number, expected: number) => ({
        channel,
        contribution: surprise[i]!,
        actual: batch.values[newest(i) + schema.channels.indexOf(channel)]!,
        expected,
        surprise: 3,
        repeats: 0,
      });
      return {
        count: batch.count,
        surprise,
        extrapolated: Uint8Array.from(surprise, (s) => (s > 5 ? 1 : 0)),
        statistics: { latent: surprise.map((s) => 10 * s) },
        unknownConditions: Array.from({ length: batch.count }).filter(
          (_, i) => batch.conditions[i * shape.length + shape.length - 1] === 0,
        ).length,
        contributions: (i) => [contribution('channel', i, 0)],
        explain: (i) => ({
          contributions: [contribution('surprise', i, -1), contribution('channel', i, -2)],
          nearestNormal: { reconstruction: surprise[i]!, leftOut: ['channel'], latent: [] },
        }),
      };
    },
  });
}

/** Keeps the calls, and adds up the counters. */
export function createRecordedMetrics() {
  const calls: { name: string; args: unknown[] }[] = [];
  const metrics = new Proxy(
    {},
    {
      get:
        (_, name: string) =>
        (...args: unknown[]) =>
          void calls.push({ name, args }),
    },
  ) as DetectorMetrics;
  const sum = (name: string, of: (args: unknown[]) => unknown) =>
    calls.filter((call) => call.name === name).reduce((total, { args }) => total + Number(of(args)), 0);
  const counts = () => ({
    consumed: sum('consumed', ([, records]) => records),
    scored: sum('scored', ([, count]) => count),
    windowNotFull: sum('windowNotFull', ([records]) => records),
    warmUps: sum('warmUps', ([records]) => records),
    rejected: sum('rejected', ([, records]) => records ?? 1),
    opened: sum('eventsOpened', ([events]) => events),
  });
  const argumentsOf = (name: string) => calls.filter((call) => call.name === name).map(({ args }) => args);
  return { metrics, calls, argumentsOf, counts };
}

export interface TestSink extends Sink {
  taken: DetectionBatch[];
  /** Number of further writes that fail. */
  refuse: number;
}

export function createTestSink(name = 'test', anomaliesOnly = false): TestSink {
  const sink: TestSink = {
    name,
    anomaliesOnly,
    taken: [],
    refuse: 0,
    write({ detections, events, deadLetters }) {
      if (sink.refuse > 0) {
        sink.refuse--;
        return Promise.reject(new Error('disk is full'));
      }
      sink.taken.push({ detections: [...detections], events: [...events], deadLetters: [...deadLetters] });
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
  return sink;
}

export const allOf = ({ taken }: TestSink) => ({
  detections: taken.flatMap(({ detections }) => detections),
  events: taken.flatMap(({ events }) => events),
  deadLetters: taken.flatMap(({ deadLetters }) => deadLetters),
});

export const offsetsOf = (list: readonly { origin: { offset: string } }[]) =>
  list.map(({ origin }) => Number(origin.offset));

export interface TestPipelineOptions {
  /** Beside the test sink. */
  sinks?: readonly Sink[];
  /** Explanation budget; default none. */
  explanationMs?: number;
  signals?: readonly SignalSpec[];
  stale?: PipelineParts['stale'];
  /** Wraps the decoder. */
  around?: (decode: DecodeBatch) => DecodeBatch;
}

export function createTestPipeline({
  sinks = [],
  explanationMs = 0,
  signals = [],
  stale = { duplicate: 'reject', out_of_order: 'reject' },
  around = (decode) => decode,
}: TestPipelineOptions = {}) {
  const table = createCategoryTable();
  const sink = createTestSink();
  const recorded = createRecordedMetrics();
  const active: ActiveDetector = { detector: createSimpleDetector(), threshold: 3 };
  const broken: Error[] = [];
  const drifts: true[] = [];
  const handle = createPipeline({
    explanations: createExplanationRule({ share: 0, burstMs: explanationMs }),
    detectorName: 'plant',
    decode: around(
      decodeEach(
        schema,
        createJsonDecoder({
          fields: {
            key: 'key',
            timestamp: 'time',
            timestampFormat: 'ms',
            values: 'values',
            conditions: 'conditions',
          },
          schema,
          limits: { maxBytes: 1000, maxAheadMs: 1000 },
          readConditions: createConditionReader(schema.conditions, table),
        }),
      ),
    ),
    states: createPartitionStates({
      shape,
      windows: { ...timeRules, maxKeys: 100 },
      events: eventPolicy,
      categories: [true],
      table,
      fingerprint: '',
    }),
    limits: createLimitCheck(schema.channels, signals),
    stale,
    current: () => ({ ...active }),
    sinks: [sink, ...sinks],
    metrics: recorded.metrics,
    now: () => now,
    onDrift: () => drifts.push(true),
    onBroken: (error) => broken.push(error),
  });
  return { handle, sink, active, broken, drifts, ...recorded };
}

interface Given {
  key?: string;
  time: number;
  surprise?: number;
  mode?: string;
}

/** The second channel of a record is 100 + its offset. */
export function message(offset: number, given: Given | string, warmUp = false): Message {
  const text =
    typeof given === 'string'
      ? given
      : JSON.stringify({
          key: given.key ?? 'a',
          time: given.time,
          values: [given.surprise ?? 0, 100 + offset],
          conditions: given.mode === undefined ? {} : { mode: given.mode },
        });
  return {
    key: Buffer.from(`key-${offset}`),
    value: Buffer.from(text),
    timestamp: 0,
    origin: { topic: 't', partition: 0, offset: String(offset) },
    warmUp,
  };
}

export const deliver = (handle: HandleBatch, messages: readonly Message[], partition = 0, lag?: number) =>
  handle({ topic: 't', partition, messages, lag });
