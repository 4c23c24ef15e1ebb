/** Training steps in ONNX Runtime, from graphs that are traced from tfjs (phase-graph.ts); Adam is JavaScript. */
import type { Adam, StepResult } from '../models/adam';
import type { Phase } from '../models/model';
import { createOptimizer } from '../models/train-step';
import type { Feeds, OpenSession, Session } from '../onnx/session';
import type { ExampleArrays, ExampleLayout } from '../scoring/encode';
import type { Random } from '../tensor';
import { gradientOutput, stepInput, tracePhase, traceValidation, type DrawnTensor } from './phase-graph';
import { createMean, type Encoded, type Stepper, type StepperParts } from './stepper';

/** The loss and the gradients of a phase, for batches of one size. */
interface PhaseSession {
  session: Session;
  drawn: readonly DrawnTensor[];
}

/** A phase between steps. */
interface PhaseState {
  phase: Phase;
  optimizer: Adam;
  /** Current values of the phase's variables; phases may share them. */
  weights: readonly Float32Array[];
  gradients: readonly Float32Array[];
}

/** @throws UntranslatableError with the name of a kernel that has no equivalent in ONNX */
export async function createTracedStepper(parts: StepperParts, open: OpenSession): Promise<Stepper> {
  const { model, phases, layout, learningRate } = parts;
  const nameOf = new Map([...model.weights].map(([name, variable]) => [variable.name, name]));
  /** The current values of each weight, by name. */
  const current = new Map([...model.weights].map(([name, { size }]) => [name, new Float32Array(size)]));
  const states = phases.map((phase): PhaseState => ({
    phase,
    optimizer: createOptimizer(phase, learningRate),
    weights: phase.variables.map((variable) => current.get(nameOf.get(variable.name)!)!),
    gradients: phase.variables.map(({ size }) => new Float32Array(size)),
  }));
  const sessions = new Map<string, Promise<PhaseSession>>();

  function reset(): void {
    for (const [name, variable] of model.weights) current.get(name)!.set(variable.dataSync<'float32'>());
    for (const { optimizer } of states) optimizer.reset();
  }
  reset();
  const validation = await open(traceValidation(model, layout));

  /** The last batch of an epoch has another size, and each size needs a graph. */
  function sessionOf(phase: Phase, rows: number): Promise<PhaseSession> {
    const key = `${rows} ${phase.name}`;
    let opened = sessions.get(key);
    if (opened === undefined) {
      const openPhase = async (): Promise<PhaseSession> => {
        const { bytes, drawn } = tracePhase(parts, phase, rows);
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
    { phase, optimizer, weights, gradients }: PhaseState,
    { buffers, count }: Encoded,
    random: Random,
    before: number,
  ): Promise<StepResult> {
    const { session, drawn } = await sessionOf(phase, count);
    for (const { data, draw } of drawn) draw(data, random);
    const feeds = {
      ...weightFeeds(),
      ...exampleFeeds(layout, buffers, count),
      ...Object.fromEntries(drawn.map(({ name, data, shape }) => [name, { data, shape }])),
      [stepInput]: { data: Float32Array.of(before), shape: [] },
    };
    const into = Object.fromEntries(
      gradients.map((data, i) => [gradientOutput(i), { data, shape: phase.variables[i]!.shape }]),
    );
    const { loss } = await session.run(feeds, ['loss', ...Object.keys(into)], into);
    return optimizer.step(loss![0]!, weights, gradients);
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
