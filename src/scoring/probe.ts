/** Measures how fast this machine scores: a model of the usual size with random weights runs for half a second. */
import { createCategoryTable, createConditionEncoder } from '../domain/condition';
import { createScaler } from '../domain/scaler';
import type { cvae } from '../models/cvae';
import { disposeModel, type ModelSpec, type SpecWith } from '../models/model';
import { createModel } from '../models/zoo';
import type { OpenSession } from '../onnx/session';
import { createRandom } from '../tensor';
import { createChannelMap } from './contributions';
import { createWindowEncoder } from './encode';
import { createTfjsEngine } from './engine';
import { openGraph } from './onnx-engine';
import { outputNames } from './outputs';
import { traceScoring } from './trace';
import { shapeOf, type LearnedState } from './version-state';

/** A conditional VAE of windows of 32 records with 8 channels: 173,000 floating-point operations a window. */
export const probeSpec: SpecWith<typeof cvae.options> = {
  kind: 'cvae',
  network: 'mlp',
  hidden: [128, 64],
  likelihood: 'gaussian',
  minVariance: 1e-2,
  maxVariance: 10,
  degreesOfFreedom: 4,
  latentDim: 16,
  freeBits: 0,
  length: 32,
  width: 1,
  channels: 8,
  conditionDim: 8,
};

/** A state for this spec, as if learned from standardised records in three modes. */
export function untrainedState(spec: ModelSpec): LearnedState {
  const each = (value: number): number[] => new Array<number>(spec.channels).fill(value);
  return {
    spec,
    channels: each(0).map((_, i) => `channel ${i + 1}`),
    scaler: { center: each(0), scale: each(1), min: each(-10), max: each(10), count: each(1) },
    conditions: {
      specs: [{ name: 'mode', kind: 'category', maxValues: 64, missing: 'unknown' }],
      categories: { mode: Array.from({ length: spec.conditionDim / 2 - 1 }, (_, i) => `mode ${i + 1}`) },
      numbers: {},
    },
    signals: [],
    recordsPerMs: 1,
    engine: 'none',
    settingsFingerprint: '',
  };
}

const batch = 256;
const probeMs = 500;

/** Windows per second in batches of 256, from the median of their times. The tfjs backend must be open. */
export async function measureScoring(openScoring: OpenSession | undefined): Promise<number> {
  const state = untrainedState(probeSpec);
  const model = createModel(probeSpec, createRandom(1));
  const encoder = createWindowEncoder(
    shapeOf(state),
    createScaler(state.scaler),
    createConditionEncoder(state.conditions, createCategoryTable()),
  );
  const open =
    openScoring === undefined ? createTfjsEngine : await openGraph(traceScoring(model, state), openScoring);
  const engine = open(model, encoder, createChannelMap(state));
  const encoded = encoder.createBuffers(batch);
  encoded.mask.fill(1);
  const { contributions, meanErrors, expectedOfChannels } = outputNames;
  const wanted = ['reconstruction', 'latent', contributions, meanErrors, expectedOfChannels];
  const times: number[] = [];
  for (const began = performance.now(); performance.now() - began < probeMs || times.length < 3;) {
    const before = performance.now();
    await engine.run(encoded, batch, wanted);
    times.push(performance.now() - before);
  }
  engine.dispose();
  disposeModel(model);
  times.sort((a, b) => a - b);
  return (1000 * batch) / times[times.length >> 1]!;
}
