/**
 * Training steps as graphs: `stepPhase` of each phase is run once in tfjs, its kernels are noted, forward, backward and Adam,
 * and from then on ONNX Runtime takes the steps. A graph is for batches of one size; the last batch of an epoch has another.
 * What the loss draws are inputs, filled as tfjs would have filled them.
 */
import type { EncodedWindows } from '../domain/window';
import type { Model, Phase } from '../models/model';
import {
  corrections,
  layoutOf,
  stepPhase,
  type Layout,
  type Piece,
  type PieceState,
  type StepResult,
} from '../models/train-step';
import { writeGraph, type NamedTensor } from '../onnx/graph';
import type { Feeds, OpenSession, Session } from '../onnx/session';
import { toExamples, type WindowEncoder } from '../scoring/encode';
import { createRandom, createTensorRandom, recordKernels, tf, type Draw, type Random } from '../tensor';
import { createMean, type Encoded, type Stepper, type StepperParts } from './stepper';

/** A tensor that a loss draws, filled anew for each step. */
interface DrawnTensor {
  name: string;
  shape: readonly [number, number];
  data: Float32Array;
  draw: Draw;
}

/** The step of one phase with batches of one size. */
interface PhaseGraph {
  session: Session;
  drawn: readonly DrawnTensor[];
}

/** A vector in two places: one holds what is, the other takes what comes. */
interface Pair {
  now: Float32Array;
  next: Float32Array;
}

const createPair = (size: number): Pair => ({ now: new Float32Array(size), next: new Float32Array(size) });
const swap = (pair: Pair): void => {
  [pair.now, pair.next] = [pair.next, pair.now];
};

/** Variables that the same phases change, and where they are now. */
interface Group {
  layout: Layout;
  weights: Pair;
}

/** What is kept of a phase from step to step. */
interface PhaseState {
  phase: Phase;
  /** Of its variables, with the moments that this phase has for them. */
  groups: readonly { group: Group; first: Pair; second: Pair }[];
  taken: number;
  /** By batch size. */
  graphs: Map<number, Promise<PhaseGraph>>;
}

/** Puts variables of one model together that have all their phases in common, and begins each phase. */
function createStates(phases: readonly Phase[]): PhaseState[] {
  const variables = new Set(phases.flatMap((phase) => phase.variables));
  const phasesOf = (variable: tf.Variable): string =>
    phases.map((phase) => phase.variables.includes(variable)).join();
  const keys = new Set([...variables].map(phasesOf));
  const groups = new Map<string, Group>();
  for (const key of keys) {
    const layout = layoutOf([...variables].filter((variable) => phasesOf(variable) === key));
    groups.set(key, { layout, weights: createPair(layout.size) });
  }
  return phases.map((phase) => ({
    phase,
    groups: [...new Set(phase.variables.map(phasesOf))].map((key) => {
      const group = groups.get(key)!;
      return { group, first: createPair(group.layout.size), second: createPair(group.layout.size) };
    }),
    taken: 0,
    graphs: new Map(),
  }));
}

/** The pieces of a phase, and where in its groups each is. */
function piecesOf({
  groups,
}: Pick<PhaseState, 'groups'>): { piece: Piece; of: PhaseState['groups'][number] }[] {
  return groups.flatMap((of) => of.group.layout.pieces.map((piece) => ({ piece, of })));
}

/**
 * @throws UntranslatableError naming a kernel that ONNX has no counterpart for
 */
export async function createTracedStepper(parts: StepperParts, open: OpenSession): Promise<Stepper> {
  const { model, phases, encoder } = parts;
  const nameOf = new Map([...model.weights].map(([name, variable]) => [variable.name, name]));
  /** Where each weight is now, by its name: in the model, or in its group. */
  const current = new Map<string, Float32Array>();
  const states = createStates(phases);

  /** Points the variables of a group to where they are now. */
  function follow({ layout, weights }: Group): void {
    for (const { variable, offset } of layout.placed)
      current.set(nameOf.get(variable.name)!, weights.now.subarray(offset, offset + variable.size));
  }

  function begin(): void {
    for (const [name, variable] of model.weights) current.set(name, variable.dataSync<'float32'>().slice());
    for (const state of states) {
      state.taken = 0;
      for (const { group, first, second } of state.groups) {
        first.now.fill(0);
        second.now.fill(0);
        for (const { variable, offset } of group.layout.placed)
          group.weights.now.set(variable.dataSync<'float32'>(), offset);
        follow(group);
      }
    }
  }
  begin();
  const validation = await openValidation(model, encoder, open);

  function graphOf(state: PhaseState, rows: number): Promise<PhaseGraph> {
    let graph = state.graphs.get(rows);
    if (graph === undefined) state.graphs.set(rows, (graph = tracePhase(parts, state, rows, open)));
    return graph;
  }

  /** All weights of the model under their names. */
  function weightFeeds(): Feeds {
    return Object.fromEntries(
      [...model.weights].map(([name, { shape }]) => [name, { data: current.get(name)!, shape }]),
    );
  }

  async function step(
    state: PhaseState,
    { buffers, count }: Encoded,
    random: Random,
    before: number,
  ): Promise<StepResult> {
    const { session, drawn } = await graphOf(state, count);
    for (const { data, draw } of drawn) draw(data, random);
    const feeds: Record<string, Feeds[string]> = {
      ...weightFeeds(),
      ...exampleFeeds(encoder, buffers, count),
      ...Object.fromEntries(drawn.map(({ name, data, shape }) => [name, { data, shape }])),
      [scalars.step]: { data: Float32Array.of(before), shape: [] },
      [scalars.corrections]: { data: Float32Array.from(corrections(state.taken)), shape: [2] },
    };
    const into: Record<string, Float32Array> = {};
    piecesOf(state).forEach(({ piece: { offset, size }, of }, i) => {
      const { weights } = of.group;
      for (const [what, { now, next }] of [
        ['weights', weights],
        ['first', of.first],
        ['second', of.second],
      ] as const) {
        feeds[pieceInput(what, i)] = { data: now.subarray(offset, offset + size), shape: [size] };
        into[pieceOutput(what, i)] = next.subarray(offset, offset + size);
      }
    });
    const outputs = await session.run(feeds, ['loss', 'norm', ...Object.keys(into)], into);
    const [loss, norm] = [outputs['loss']![0]!, outputs['norm']![0]!];
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) return { loss, norm, skipped: true };
    for (const { group, first, second } of state.groups) {
      [group.weights, first, second].forEach(swap);
      follow(group);
    }
    state.taken++;
    return { loss, norm, skipped: false };
  }

  return {
    engine: 'onnxruntime',
    async step(encoded, random, before) {
      const results: StepResult[] = [];
      for (const state of states) results.push(await step(state, encoded, random, before));
      return results;
    },
    async evaluate(chunks) {
      const total = createMean();
      for (const { buffers, count } of chunks) {
        const feeds = { ...weightFeeds(), ...exampleFeeds(encoder, buffers, count) };
        const { loss, rate } = await validation.run(feeds, ['loss', 'rate']);
        total.add({ loss: loss![0]!, rate: rate![0]! }, count);
      }
      return total.mean();
    },
    weights: () => new Map([...current].map(([name, data]) => [name, data.slice()])),
    reset: begin,
    dispose() {
      const graphs = states.flatMap((state) => [...state.graphs.values()]);
      for (const graph of graphs) void graph.then(({ session }) => session.release()).catch(() => undefined);
      void validation.release().catch(() => undefined);
    },
  };
}

/** Names of the inputs of a step that are no weights and no examples. No weight is called so: they have a `/` in them. */
const scalars = { step: 'step', corrections: 'corrections' } as const;
type PieceVector = 'weights' | 'first' | 'second';
const pieceInput = (what: PieceVector, i: number): string => `${what} ${i} before`;
const pieceOutput = (what: PieceVector, i: number): string => `${what} ${i}`;

function exampleFeeds(
  { dim, conditionDim }: WindowEncoder,
  { x, mask, c }: EncodedWindows,
  rows: number,
): Feeds {
  return {
    x: { data: x.subarray(0, rows * dim), shape: [rows, dim] },
    mask: { data: mask.subarray(0, rows * dim), shape: [rows, dim] },
    c: { data: c.subarray(0, rows * conditionDim), shape: [rows, conditionDim] },
  };
}

/** Examples that a trace is made with, and what they are called. */
function traceExamples(
  encoder: WindowEncoder,
  rows: number,
): { examples: ReturnType<typeof toExamples>; named: [string, tf.Tensor][] } {
  const buffers = encoder.createBuffers(rows);
  const random = createRandom(0);
  // Something in (0, 1), which every likelihood takes.
  for (let i = 0; i < buffers.x.length; i++) buffers.x[i] = random.uniform();
  buffers.mask.fill(1);
  const examples = toExamples(encoder, buffers, 0, rows);
  const { x, mask, c } = examples;
  return {
    examples,
    named: [['x', x], ['mask', mask], ...(c === undefined ? [] : ([['c', c]] as [string, tf.Tensor][]))],
  };
}

const weightsOf = (model: Model): NamedTensor[] =>
  [...model.weights].map(([name, { id }]) => ({ name, ids: [id, id] }));

async function tracePhase(
  { model, encoder, learningRate }: StepperParts,
  state: PhaseState,
  rows: number,
  open: OpenSession,
): Promise<PhaseGraph> {
  const drawn: DrawnTensor[] = [];
  const named: NamedTensor[] = [];
  const ids = new Set<number>();
  const name = (as: string, tensor: tf.Tensor): void => {
    ids.add(tensor.id);
    named.push({ name: as, ids: [tensor.id] });
  };
  const seeded = createRandom(0);
  const { examples, named: namedExamples } = traceExamples(encoder, rows);
  const step = tf.scalar(1);
  const corrected = tf.tensor1d(corrections(0));
  const pieces = piecesOf(state).map(({ piece }) => piece);
  const zeros = (size: number): tf.Tensor1D => tf.zeros([size]);
  const states = pieces.map(({ size }): PieceState => ({
    weights: zeros(size),
    first: zeros(size),
    second: zeros(size),
  }));
  for (const [as, variable] of model.weights) name(as, variable);
  for (const [as, tensor] of namedExamples) name(as, tensor);
  name(scalars.step, step);
  name(scalars.corrections, corrected);
  states.forEach((of, i) => {
    for (const what of ['weights', 'first', 'second'] as const) name(pieceInput(what, i), of[what]);
  });
  try {
    const recording = recordKernels(ids, () => {
      const random = createTensorRandom((shape, draw) => {
        const tensor = seeded.tensor(shape, draw);
        const as = `drawn ${drawn.length}`;
        drawn.push({ name: as, shape, data: new Float32Array(tensor.size), draw });
        name(as, tensor);
        return tensor;
      });
      const given = { examples, random, step, corrections: corrected, pieces: states };
      const { loss, norm, pieces: stepped } = stepPhase(state.phase, pieces, given, learningRate);
      const outputs = stepped.flatMap((of, i) =>
        (['weights', 'first', 'second'] as const).map((what) => [pieceOutput(what, i), of[what]] as const),
      );
      return { loss, norm, ...Object.fromEntries(outputs) };
    });
    return {
      session: await open(writeGraph({ name: state.phase.name, recordings: [recording], named })),
      drawn,
    };
  } finally {
    tf.dispose([
      step,
      corrected,
      ...namedExamples.map(([, tensor]) => tensor),
      ...states.flatMap(({ weights, first, second }) => [weights, first, second]),
    ]);
  }
}

/** The loss on held-out windows, for batches of any size. */
async function openValidation(model: Model, encoder: WindowEncoder, open: OpenSession): Promise<Session> {
  const traces = [2, 3].map((rows) => {
    const { examples, named } = traceExamples(encoder, rows);
    try {
      const ids = new Set([
        ...named.map(([, { id }]) => id),
        ...[...model.weights.values()].map(({ id }) => id),
      ]);
      const recording = recordKernels(ids, () => {
        const { loss, rate } = model.validationLoss(examples);
        return { loss, rate };
      });
      return { recording, ids: new Map(named.map(([name, { id }]) => [name, id])) };
    } finally {
      tf.dispose(named.map(([, tensor]) => tensor));
    }
  });
  const examples = [...traces[0]!.ids.keys()].map((name) => ({
    name,
    ids: traces.map(({ ids }) => ids.get(name)!),
  }));
  return open(
    writeGraph({
      name: 'validation',
      recordings: traces.map(({ recording }) => recording),
      named: [...weightsOf(model), ...examples],
    }),
  );
}
