/** Engines that compute the scoring outputs of encoded windows. */
import type { EncodedWindows } from '../domain/window';
import type { Model } from '../models/model';
import { fixedBatchRows, scoped, tf } from '../tensor';
import type { ChannelMap } from './contributions';
import { toExamples, type WindowEncoder } from './encode';
import { createScoringOutputs } from './outputs';

/** Scoring outputs of the first `count` rows, by name, row-major. */
export type Outputs<Name extends string = string> = Readonly<Record<Name, Float32Array>>;

export interface ScoringEngine {
  /** Name for the log and for `vaemon doctor`. */
  readonly name: string;
  /** Whether the engine computes on a separate thread. */
  readonly onThread: boolean;
  /**
   * Repeatable: the outputs of a row do not depend on the other rows. Only one run at a time.
   * @param encoded windows in the first `count` rows. The arrays must not be accessed until the run has ended
   * @param wanted names of the outputs to return
   */
  run<Name extends string>(
    encoded: EncodedWindows,
    count: number,
    wanted: readonly Name[],
  ): Promise<Outputs<Name>>;
  dispose(): void;
}

export type OpenEngine = (model: Model, encoder: WindowEncoder, channelMap: ChannelMap) => ScoringEngine;

/** tfjs on its current backend: for models that no other engine can run, and as the reference for other engines. */
export const createTfjsEngine: OpenEngine = (model, encoder, channelMap) => {
  const computeOutputs = createScoringOutputs(model, channelMap);
  return {
    name: `tfjs-${tf.getBackend()}`,
    onThread: false,
    run: (encoded, count, wanted) => {
      const rows = fixedBatchRows() ?? count;
      const outputs = new Map<string, Float32Array>();
      for (let from = 0; from < count; from += rows) {
        const used = Math.min(rows, count - from);
        scoped(() => {
          const tensors = computeOutputs(toExamples(encoder, encoded, from, rows));
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
