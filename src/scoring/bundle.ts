/**
 * A model version as files: model.json (version-state.ts), weights.safetensors, score.onnx (the scoring graph, trace.ts),
 * golden.json (golden.ts) and report.json.
 */
import type { CategoryTable } from '../domain/condition';
import type { WindowBatch } from '../domain/window';
import { ModelVersionError } from '../errors';
import { disposeModel, readWeights, writeWeights, type Model } from '../models/model';
import { createModel, type AnyModelSpec } from '../models/zoo';
import type { OpenSession } from '../onnx/session';
import { createRandom, decodeSafetensors, encodeSafetensors, type StoredTensor } from '../tensor';
import { createDetector, type Detector } from './detector';
import type { OpenEngine } from './engine';
import { checkGolden, describeGolden, type Golden } from './golden';
import { openGraph } from './onnx-engine';
import type { VersionState } from './version-state';

/** Files of a version by name. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** The result of a training, before it is stored as a version. */
export interface Trained {
  state: VersionState;
  model: Model;
  /** score.onnx; absent if the model cannot be traced. */
  graph?: Uint8Array;
  report: unknown;
}

/** The file with the graph that scores. */
const graphName = 'score.onnx';

/**
 * The golden scores are those of tfjs. If ONNX Runtime is available, the graph is checked against them at once.
 * @param golden windows to store with their scores, and with anomalies made from them. They should not be calibration windows,
 * for which the last bit decides whether a score is above itself
 * @throws ModelVersionError if the graph scores differently, or finds no anomaly
 */
export async function encodeBundle(
  { state, model, graph, report }: Trained,
  golden: WindowBatch,
  table: CategoryTable,
  openSession?: OpenSession,
): Promise<Files> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, data] of readWeights(model)) {
    tensors.set(name, { dtype: 'F32', shape: model.weights.get(name)!.shape, data });
  }
  const described = await describeGolden(createDetector('new', state, model, table), golden, table);
  const openEngine = await engineFor('new', graph, openSession);
  if (openEngine !== undefined) {
    const traced = createDetector('new', state, model, table, openEngine);
    try {
      await checkGolden(traced, described, table);
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

/** A detector that reproduces the golden scores. */
export interface VerifiedDetector extends Detector {
  /** The largest surprise of a golden anomaly. */
  readonly reach: number;
}

/**
 * Creates a detector from the files of a version.
 * @param openSession opens the graph; without it, and for a version without a graph, tfjs scores
 * @throws ModelVersionError if a file is missing or unreadable, if the golden scores differ, or if the version finds no anomaly
 */
export async function decodeBundle(
  version: string,
  files: Files,
  table: CategoryTable,
  openSession?: OpenSession,
): Promise<VerifiedDetector> {
  const openEngine = await engineFor(version, files.get(graphName), openSession);
  const { state, model } = decodeModel(version, files);
  const detector = createDetector(version, state, model, table, openEngine);
  try {
    const golden = readFile(version, files, 'golden.json', parseJson) as Golden;
    return { ...detector, reach: await checkGolden(detector, golden, table) };
  } catch (error) {
    detector.dispose();
    throw error;
  }
}

/**
 * The model of a version with its weights, and its state. The caller must dispose the model.
 * @throws ModelVersionError if a file is missing or unreadable
 */
export function decodeModel(version: string, files: Files): { state: VersionState; model: Model } {
  const state = readFile(version, files, 'model.json', parseJson) as VersionState;
  const { tensors } = readFile(version, files, 'weights.safetensors', decodeSafetensors);
  const model = readFile(version, files, 'model.json', () => {
    checkSize(state.spec, tensors);
    return createModel(state.spec, createRandom(0));
  });
  try {
    readFile(version, files, 'weights.safetensors', () =>
      writeWeights(model, new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]))),
    );
    return { state, model };
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

/**
 * Checks sizes in the spec before the model is created: one that is too large for its weights could fill the memory.
 * @throws RangeError if a layer has more units, or two layers have more weights between them, than there are weights
 */
function checkSize(spec: Partial<AnyModelSpec>, tensors: ReadonlyMap<string, StoredTensor>): void {
  const { hidden = [], latentDim = 0, levels = [] } = spec;
  let stored = 0;
  for (const { data } of tensors.values()) stored += data.length;
  const between = hidden.map((units, i) => units * (hidden[i + 1] ?? 1));
  const needed = Math.max(latentDim, ...levels, ...between);
  if (!(needed <= stored))
    throw new RangeError(`the model has at least ${needed} weights, ${stored} are stored`);
}

/** The engine for a graph; undefined without a graph or without an engine for graphs. */
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

function readFile<T>(version: string, files: Files, name: string, read: (bytes: Uint8Array) => T): T {
  const bytes = files.get(name);
  if (bytes === undefined) throw new ModelVersionError(version, 'missing_file', `${name} is missing`);
  try {
    return read(bytes);
  } catch (cause) {
    throw new ModelVersionError(version, 'unreadable', `${name} cannot be read`, { cause });
  }
}

function toJson(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 1)}\n`);
}

function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString());
}
