/**
 * Scoring graphs: the scoring outputs of a model are computed once in tfjs, and the recorded kernels are written as an ONNX
 * model that contains all weights, for batches of any size.
 */
import { softLimit } from '../domain/scaler';
import { batchDimension, writeGraph, type GraphParts } from '../onnx/graph';
import type { OnnxGraphBuilder } from '../onnx/graph-builder';
import type { Model } from '../models/model';
import { createRandom, recordKernels, tf } from '../tensor';
import { createChannelMap } from './contributions';
import { createScoringOutputs } from './outputs';
import { modelState, type LearnedState } from './version-state';

/** Two sizes, so that sizes that depend on the batch are recognised. */
const batchSizes = [2, 3] as const;

/**
 * The graph that the daemon runs, `score.onnx` of a version. Inputs: `x` and `mask`, scaled values, and `c`, the conditions. It
 * has no scaler, because the daemon scales each record once, and not in every window that contains it.
 * @throws UntranslatableError with the name of a kernel that has no equivalent in ONNX
 */
export function traceScoring(model: Model, learned: LearnedState): Uint8Array {
  return trace(model, learned);
}

/**
 * The graph for other programs, as written by `vaemon export`. Inputs: `values`, which the graph scales (for counters their
 * rates), and `c`.
 * @throws UntranslatableError with the name of a kernel that has no equivalent in ONNX
 */
export function traceWithScaler(model: Model, learned: LearnedState): Uint8Array {
  return trace(model, learned, (graph) => scale(graph, modelState(learned)));
}

function trace(model: Model, learned: LearnedState, prelude?: GraphParts['prelude']): Uint8Array {
  const { spec, weights } = model;
  const dim = spec.length * spec.channels;
  const computeOutputs = createScoringOutputs(model, createChannelMap(modelState(learned)));
  const random = createRandom(0);
  const traces = batchSizes.map((rows) => {
    const inputs = {
      x: random.normalTensor([rows, dim]),
      mask: tf.ones<tf.Rank.R2>([rows, dim]),
      c: spec.conditionDim === 0 ? undefined : random.normalTensor([rows, spec.conditionDim]),
    };
    const given = Object.entries(inputs).filter(
      (entry): entry is [string, tf.Tensor2D] => entry[1] !== undefined,
    );
    try {
      const named = [...given.map(([, tensor]) => tensor), ...weights.values()];
      const recording = recordKernels(new Set(named.map(({ id }) => id)), () => computeOutputs(inputs));
      return { recording, ids: new Map(given.map(([name, { id }]) => [name, id])) };
    } finally {
      tf.dispose(given.map(([, tensor]) => tensor));
    }
  });
  return writeGraph({
    name: spec.kind,
    recordings: traces.map(({ recording }) => recording),
    named: [
      ...[...traces[0]!.ids.keys()].map((name) => ({ name, ids: traces.map(({ ids }) => ids.get(name)!) })),
      ...[...weights].map(([name, variable]) => ({
        name,
        ids: traces.map(() => variable.id),
        data: variable.dataSync<'float32'>().slice(),
      })),
    ],
    metadata: {
      'vaemon.spec': JSON.stringify(spec),
      'vaemon.channels': JSON.stringify(learned.channels),
      ...(learned.counters && { 'vaemon.counters': JSON.stringify(learned.counters) }),
      'vaemon.conditions': JSON.stringify(learned.conditions),
    },
    ...(prelude && { prelude }),
  });
}

/**
 * The scaler of domain/scaler.ts as nodes. Input `values`: windows as doubles, shape [batch, length, channels], NaN = missing;
 * or images as bytes, shape [batch, height, width, colours].
 */
function scale(
  graph: OnnxGraphBuilder,
  { spec, scaler: { center, scale: scales, count }, image }: LearnedState,
): { x: string; mask: string } {
  const flat = graph.list([-1, spec.length * spec.channels]);
  const toFloat = { to: 1 };
  if (image !== undefined) {
    const shape = [batchDimension, image.height, image.width, spec.channels];
    const values = graph.input({ name: 'values', type: 'uint8', shape });
    const floats = graph.node('Cast', [graph.node('Reshape', [values, flat])], toFloat);
    const x = graph.node('Div', [floats, graph.scalar(scales[0]!)]);
    const zero = graph.node('Mul', [x, graph.scalar(0)]);
    return { x, mask: graph.node('Add', [zero, graph.scalar(1)]) };
  }
  const shape = [batchDimension, spec.length, spec.channels];
  const values = graph.input({ name: 'values', type: 'float64', shape });
  const centred = graph.node('Sub', [values, graph.doubles(center)]);
  const scaled = graph.node('Cast', [graph.node('Div', [centred, graph.doubles(scales)])], toFloat);
  const limit = graph.scalar(softLimit);
  const beyond = graph.node('Relu', [graph.node('Sub', [graph.node('Abs', [scaled]), limit])]);
  const compressed = graph.node('Log', [graph.node('Add', [beyond, graph.scalar(1)])]);
  const outside = graph.node('Mul', [graph.node('Sign', [scaled]), compressed]);
  const inside = graph.node('Clip', [scaled, graph.scalar(-softLimit), limit]);
  const isMissing = graph.node('IsNaN', [values]);
  const x = graph.node('Where', [isMissing, graph.scalar(0), graph.node('Add', [inside, outside])]);
  const seen = graph.node('Cast', [graph.node('Not', [isMissing])], toFloat);
  // The values of a channel that training has not seen count as missing.
  const known = graph.node('Cast', [graph.doubles(count.map((n) => (n > 0 ? 1 : 0)))], toFloat);
  const flatten = (value: string): string => graph.node('Reshape', [graph.node('Mul', [value, known]), flat]);
  return { x: flatten(x), mask: flatten(seen) };
}
