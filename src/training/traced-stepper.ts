/** Training steps in ONNX Runtime, from graphs that are traced from tfjs (phase-graph.ts). */
import { corrections, type StepResult } from '../models/train-step';
import type { Feeds, OpenSession, Session } from '../onnx/session';
import type { ExampleArrays, ExampleLayout } from '../scoring/encode';
import type { Random } from '../tensor';
import {
  pieceInput,
  pieceOutput,
  pieceVectors,
  scalars,
  tracePhase,
  traceValidation,
  type DrawnTensor,
} from './phase-graph';
import { acceptStep, createStates, piecesOf, resetState, type PhaseState } from './phase-state';
import { createMean, type Encoded, type Stepper, type StepperParts } from './stepper';

/** The step of a phase for batches of one size. */
interface PhaseSession {
  session: Session;
  drawn: readonly DrawnTensor[];
}

/** @throws UntranslatableError with the name of a kernel that has no equivalent in ONNX */
export async function createTracedStepper(parts: StepperParts, open: OpenSession): Promise<Stepper> {
  const { model, phases, layout } = parts;
  const nameOf = new Map([...model.weights].map(([name, variable]) => [variable.name, name]));
  /** The current values of each weight by name: those of the model, or a part of its group's vector. */
  const current = new Map<string, Float32Array>();
  const states = createStates(phases);
  const sessions = new Map<string, Promise<PhaseSession>>();

  /** Updates `current` after a step has swapped the vectors of a phase. */
  function followVectors({ groups }: PhaseState): void {
    for (const { group } of groups)
      for (const { variable, offset } of group.layout.placed)
        current.set(nameOf.get(variable.name)!, group.weights.now.subarray(offset, offset + variable.size));
  }

  function reset(): void {
    for (const [name, variable] of model.weights) current.set(name, variable.dataSync<'float32'>().slice());
    states.forEach(resetState);
    states.forEach(followVectors);
  }
  reset();
  const validation = await open(traceValidation(model, layout));

  /** The last batch of an epoch has another size, and each size needs a graph. */
  function sessionOf(state: PhaseState, rows: number): Promise<PhaseSession> {
    const key = `${rows} ${state.phase.name}`;
    let opened = sessions.get(key);
    if (opened === undefined) {
      const pieces = piecesOf(state).map(({ piece }) => piece);
      const openPhase = async (): Promise<PhaseSession> => {
        const { bytes, drawn } = tracePhase(parts, state.phase, pieces, rows);
        return { session: await open(bytes), drawn };
      };
      sessions.set(key, (opened = openPhase()));
    }
    return opened;
  }

  /** All weights of the model by name. */
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
    const { session, drawn } = await sessionOf(state, count);
    for (const { data, draw } of drawn) draw(data, random);
    const feeds: Record<string, Feeds[string]> = {
      ...weightFeeds(),
      ...exampleFeeds(layout, buffers, count),
      ...Object.fromEntries(drawn.map(({ name, data, shape }) => [name, { data, shape }])),
      [scalars.step]: { data: Float32Array.of(before), shape: [] },
      [scalars.corrections]: { data: Float32Array.from(corrections(state.taken)), shape: [2] },
    };
    const into: Record<string, Float32Array> = {};
    piecesOf(state).forEach((placed, i) => {
      const { offset, size } = placed.piece;
      for (const vector of pieceVectors) {
        const { now, next } = placed[vector];
        feeds[pieceInput(vector, i)] = { data: now.subarray(offset, offset + size), shape: [size] };
        into[pieceOutput(vector, i)] = next.subarray(offset, offset + size);
      }
    });
    const outputs = await session.run(feeds, ['loss', 'norm', ...Object.keys(into)], into);
    const [loss, norm] = [outputs['loss']![0]!, outputs['norm']![0]!];
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) return { loss, norm, skipped: true };
    acceptStep(state);
    followVectors(state);
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
        const feeds = { ...weightFeeds(), ...exampleFeeds(layout, buffers, count) };
        const { loss, rate } = await validation.run(feeds, ['loss', 'rate']);
        total.add({ loss: loss![0]!, rate: rate![0]! }, count);
      }
      return total.mean();
    },
    weights: () => new Map([...current].map(([name, data]) => [name, data.slice()])),
    reset,
    dispose() {
      for (const opened of sessions.values())
        void opened.then(({ session }) => session.release()).catch(() => undefined);
      void validation.release().catch(() => undefined);
    },
  };
}

function exampleFeeds(
  { dim, conditionDim }: ExampleLayout,
  { x, mask, c }: ExampleArrays,
  rows: number,
): Feeds {
  return {
    x: { data: x.subarray(0, rows * dim), shape: [rows, dim] },
    mask: { data: mask.subarray(0, rows * dim), shape: [rows, dim] },
    c: { data: c.subarray(0, rows * conditionDim), shape: [rows, conditionDim] },
  };
}
