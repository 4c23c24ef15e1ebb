/** What computes a model's readout of encoded windows. */
import type { EncodedWindows } from '../domain/window';
import type { Model } from '../models/model';
import { fixedBatchRows, scoped, tf } from '../tensor';
import type { Contributions } from './contributions';
import { toExamples, type WindowEncoder } from './encode';
import { createScoringOutputs } from './outputs';

/** Outputs of a readout by name, row by row, those of the first `count` rows. */
export type Outputs<Name extends string = string> = Readonly<Record<Name, Float32Array>>;

export interface ScoringEngine {
  /** Said in the log and by `doctor`. */
  readonly name: string;
  /** Whether it computes on a thread of its own. */
  readonly onThread: boolean;
  /**
   * Repeatable: a row's outputs do not depend on the other rows. One run at a time.
   * @param encoded windows in the first `count` rows; while the engine has them nobody may look at the arrays
   * @param wanted names of the outputs that are asked for
   */
  run<Name extends string>(
    encoded: EncodedWindows,
    count: number,
    wanted: readonly Name[],
  ): Promise<Outputs<Name>>;
  dispose(): void;
}

/** Makes the engine for a model. */
export type OpenEngine = (model: Model, encoder: WindowEncoder, attribution: Contributions) => ScoringEngine;

/** tfjs itself, on whatever backend it has: for what no other engine can run, and to hold the others to. */
export const createTfjsEngine: OpenEngine = (model, encoder, attribution) => {
  const readout = createScoringOutputs(model, attribution);
  return {
    name: `tfjs-${tf.getBackend()}`,
    onThread: false,
    run: (encoded, count, wanted) => {
      const rows = fixedBatchRows() ?? count;
      const outputs = new Map<string, Float32Array>();
      for (let from = 0; from < count; from += rows) {
        const used = Math.min(rows, count - from);
        scoped(() => {
          const tensors = readout(toExamples(encoder, encoded, from, rows));
          for (const name of wanted) {
            const tensor = tensors[name]!;
            const width = tensor.size / rows;
            let output = outputs.get(name);
            if (output === undefined) outputs.set(name, (output = new Float32Array(count * width)));
            output.set(tensor.dataSync<'float32'>().subarray(0, used * width), from * width);
          }
        });
      }
      return Promise.resolve(Object.fromEntries(outputs) as Outputs<(typeof wanted)[number]>);
    },
    dispose: () => undefined,
  };
};
