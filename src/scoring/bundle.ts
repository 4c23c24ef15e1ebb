/**
 * A model version as files: model.json (settings, scaler, conditions, calibration), weights.safetensors, score.onnx (the
 * same model as a graph that begins at scaled values, trace.ts), golden.json (windows with the scores they must have) and report.json.
 */
import type { SurpriseState } from '../calibration/surprise';
import type { CategoryTable, ConditionState } from '../domain/condition';
import type { ImageShape } from '../domain/image';
import { givenConditions } from '../domain/record';
import type { ScalerState } from '../domain/scaler';
import type { SignalRule } from '../domain/signal';
import { createWindowBatch, type WindowBatch } from '../domain/window';
import { ModelVersionError } from '../errors';
import { disposeModel, readWeights, writeWeights, type Model, type ModelSpec } from '../models/model';
import { createModel } from '../models/zoo';
import type { OpenSession } from '../onnx/session';
import { createRandom, decodeSafetensors, encodeSafetensors, type StoredTensor } from '../tensor';
import type { RawScores } from './assess';
import type { ChannelState } from './channels';
import { createDetector, type Detector, type Scores } from './detector';
import { shapeOf } from './encode';
import type { OpenEngine } from './engine';
import { openGraph } from './onnx-engine';
import type { BiasState } from './bias';
import type { Repetition } from './stuck';

/** model.json: all that is learned, but the weights. */
export interface DetectorState extends LearnedState {
  /** Of each channel's part in the reconstruction statistic. */
  channelCalibrations: ChannelState;
  bias: BiasState;
  calibration: SurpriseState;
  /** Name of the condition in whose every value the target is to hold, where one is named. */
  groupBy?: string;
  /** Records of a key after which its surprise is as good as independent. */
  independentAfter: number;
}

/** What is learned before anything is calibrated. */
export interface LearnedState {
  spec: ModelSpec;
  /** What a detection can name: sensors, or regions of an image. */
  channels: readonly string[];
  /** What images are brought to; absent where records are none. */
  image?: ImageShape;
  scaler: ScalerState;
  conditions: ConditionState;
  /** Which deviations count: calibration has seen the same. */
  signals: readonly SignalRule[];
  repeats: readonly Repetition[];
  /** Records a millisecond of the whole detector, for targets such as "2 per day". */
  recordsPerMs: number;
  /** Engine that trained it. */
  engine: string;
  /** Fingerprint of the settings that a version depends on: under other settings it must not be used. */
  settingsFingerprint: string;
}

/** Files of a version by name. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** A trained model, and all that belongs to it, before it has a version. */
export interface Trained {
  state: DetectorState;
  model: Model;
  /** score.onnx; absent where the model cannot be traced. */
  graph?: Uint8Array;
  report: unknown;
}

/** golden.json: windows with their scores at the end of training. A version whose scores differ is not used. */
interface Golden {
  windows: readonly {
    timestamps: readonly number[];
    /** One list of channels per record; null = missing. Of an image its bytes, in base64. */
    values: readonly (readonly (number | null)[])[] | string;
    /** One list of given conditions per record: a category by its name, null = unknown. */
    conditions: readonly (readonly (string | number | null)[])[];
    surprise: number;
    statistics: Readonly<Record<string, number>>;
  }[];
}

/** What a model says of golden records may differ by this much, relative, between engines. */
const goldenTolerance = 1e-4;

/**
 * The golden scores are those of tfjs. Where ONNX Runtime is there, the graph is held to them at once.
 * @param golden windows that are stored with their scores; best not those that calibration rests on: a last bit decides
 *   whether such a score is above its own
 * @throws ModelVersionError when the graph scores differently
 */
export async function encodeBundle(
  trained: Trained,
  golden: WindowBatch,
  table: CategoryTable,
  openSession?: OpenSession,
): Promise<Files> {
  const { state, model, graph, report } = trained;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, data] of readWeights(model)) {
    tensors.set(name, { dtype: 'F32', shape: model.weights.get(name)!.shape, data });
  }
  const described = await describeGolden(trained, golden, table);
  const openEngine = await engineFor('new', graph, openSession);
  if (openEngine !== undefined) {
    const traced = createDetector('new', state, model, table, openEngine);
    try {
      await checkGolden('new', traced, described, table);
    } finally {
      traced.release();
    }
  }
  return new Map([
    ['model.json', toJson(state)],
    ['weights.safetensors', encodeSafetensors(tensors)],
    ...(graph === undefined ? [] : [[graphName, graph] as const]),
    ['golden.json', toJson(described)],
    ['report.json', toJson(report)],
  ]);
}

/** The file with the graph that scores. */
const graphName = 'score.onnx';

/** The engine for a graph; undefined where there is no graph, or nothing to run it. */
async function engineFor(
  version: string,
  graph: Uint8Array | undefined,
  openSession: OpenSession | undefined,
): Promise<OpenEngine | undefined> {
  if (graph === undefined || openSession === undefined) return undefined;
  try {
    return await openGraph(graph, openSession);
  } catch (cause) {
    throw new ModelVersionError(version, 'unreadable', `${graphName} cannot be opened`, { cause });
  }
}

function toJson(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 1)}\n`);
}

async function describeGolden(
  { state, model }: Trained,
  batch: WindowBatch,
  table: CategoryTable,
): Promise<Golden> {
  const { length, channels, pixels } = shapeOf(state);
  const given = givenConditions(state.conditions.specs);
  const scores = await createDetector('', state, model, table).score(batch);
  const records = Array.from({ length }, (_, t) => t);
  return {
    windows: Array.from({ length: batch.count }, (_, window) => ({
      timestamps: records.map((t) => batch.timestamps[window * length + t]!),
      values:
        pixels === true
          ? Buffer.from(batch.values.subarray(window * channels, (window + 1) * channels)).toString('base64')
          : records.map((t) => {
              const from = (window * length + t) * channels;
              const values = batch.values.subarray(from, from + channels);
              return Array.from(values, (v) => (Number.isNaN(v) ? null : v));
            }),
      conditions: records.map((t) =>
        given.map((spec, i) => {
          const value = batch.conditions[(window * length + t) * given.length + i]!;
          if (spec.kind === 'category') return table.value(value) ?? null;
          return Number.isNaN(value) ? null : value;
        }),
      ),
      surprise: scores.surprise[window]!,
      statistics: scores.statisticsOf(window),
    })),
  };
}

/**
 * A version's files as a detector that gives the scores it was published with.
 * @param openSession opens the graph; without it, and for a version without a graph, tfjs scores
 * @throws ModelVersionError when a file is absent, cannot be read, or the golden records score differently
 */
export async function decodeBundle(
  version: string,
  files: Files,
  table: CategoryTable,
  openSession?: OpenSession,
): Promise<Detector> {
  const openEngine = await engineFor(version, files.get(graphName), openSession);
  const { state, model } = decodeModel(version, files);
  const detector = createDetector(version, state, model, table, openEngine);
  try {
    await checkGolden(version, detector, readPart(version, files, 'golden.json', parseJson) as Golden, table);
    return detector;
  } catch (error) {
    detector.dispose();
    throw error;
  }
}

/**
 * The model of a version, with its weights and what else was learned; the caller disposes the model.
 * @throws ModelVersionError when a file is absent or cannot be read
 */
export function decodeModel(version: string, files: Files): { state: DetectorState; model: Model } {
  const state = readPart(version, files, 'model.json', parseJson) as DetectorState;
  const model = readPart(version, files, 'model.json', () => createModel(state.spec, createRandom(0)));
  try {
    readPart(version, files, 'weights.safetensors', (bytes) => {
      const { tensors } = decodeSafetensors(bytes);
      writeWeights(model, new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array])));
    });
    return { state, model };
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

const parseJson = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

function readPart<T>(version: string, files: Files, name: string, read: (bytes: Uint8Array) => T): T {
  const bytes = files.get(name);
  if (bytes === undefined) throw new ModelVersionError(version, 'missing_file', `${name} is missing`);
  try {
    return read(bytes);
  } catch (cause) {
    throw new ModelVersionError(version, 'unreadable', `${name} cannot be read`, { cause });
  }
}

async function checkGolden(
  version: string,
  detector: Detector,
  golden: Golden,
  table: CategoryTable,
): Promise<void> {
  const batch = createWindowBatch(detector.shape, golden.windows.length);
  const given = givenConditions(detector.state.conditions.specs);
  for (const window of golden.windows) {
    const row = batch.count++ * detector.shape.length;
    batch.timestamps.set(window.timestamps, row);
    const { values } = window;
    batch.values.set(
      typeof values === 'string' ? Buffer.from(values, 'base64') : values.flat().map((v) => v ?? NaN),
      row * detector.shape.channels,
    );
    const codes = window.conditions.flatMap((record) =>
      record.map((value, i) => {
        if (given[i]!.kind === 'number') return value === null ? NaN : Number(value);
        return value === null ? 0 : table.code(String(value));
      }),
    );
    batch.conditions.set(codes, row * given.length);
  }
  const raw = await detector.assess(batch);
  const [least, most] = [-goldenTolerance, goldenTolerance].map((by) =>
    detector.judge(batch, moved(raw, by)),
  );
  golden.windows.forEach((window, i) => {
    for (const [name, expected] of Object.entries({ ...window.statistics, surprise: window.surprise })) {
      const valueIn = (scores: Scores | undefined): number =>
        (name === 'surprise' ? scores?.surprise : scores?.statistics[name])?.[i] ?? NaN;
      const slack = goldenTolerance * Math.max(1, Math.abs(expected));
      const [low, high] = [valueIn(least), valueIn(most)];
      if (low - slack <= expected && expected <= high + slack) continue;
      throw new ModelVersionError(
        version,
        'golden',
        `golden record ${i} has ${name} ${(low + high) / 2} instead of ${expected}: this is not the model that was trained`,
      );
    }
  });
}

/**
 * Everything a little larger, or smaller: what is made of it can only rise, or fall. So the bounds of a p-value that goes in
 * steps follow: where a calibration score lies just beside a statistic, its last bit decides on which side.
 */
function moved(raw: RawScores, by: number): RawScores {
  const size = (value: number): number => Math.max(1, Math.abs(value));
  const move = (values: ArrayLike<number>): Float32Array =>
    Float32Array.from(values, (value) => value + by * size(value));
  return {
    ...raw,
    statistics: Object.fromEntries(
      Object.entries(raw.statistics).map(([name, values]) => [name, move(values)]),
    ),
    parts: move(raw.parts),
    // An error that is further from zero is the larger one.
    errors: raw.errors.map((error) => Math.sign(error) * Math.max(0, Math.abs(error) + by * size(error))),
  };
}
