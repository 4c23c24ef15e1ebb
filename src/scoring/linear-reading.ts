/**
 * Statistics of the newest record of a window from the linear sibling and the memory of its device: T² given the context, and
 * T² of the mean deviation. Without a memory, the record counts as the first one of its device.
 */
import { createContext, type ContextState } from '../calibration/context';
import { createMeanChart, type ChartState } from '../calibration/mean-chart';
import { meanRecords } from '../calibration/recent-means';
import type { WindowBatch } from '../domain/window';
import type { Assessor } from './assessor';
import type { DeviceMemory } from './memory';
import type { VersionState } from './version-state';

/** Functions for the parts that the version has. Call `inContext` for a window before `mean`. */
export interface LinearReading {
  /** T² of the newest record given its context. @param deviations of the batch, shape [count, channels] */
  inContext?: (batch: WindowBatch, window: number, deviations: Float32Array, memory?: DeviceMemory) => number;
  /** T² of the mean deviation, without the part that the context explains. */
  mean?: (window: number, deviations: Float32Array, memory?: DeviceMemory) => number;
}

export function createLinearReading(
  { context: contextState, linearMean }: Pick<VersionState, 'context' | 'linearMean'>,
  { shape, scaler }: Pick<Assessor, 'shape' | 'scaler'>,
): LinearReading {
  const { channels } = shape;
  const context = contextState && createContextReading(contextState);
  const mean = linearMean && createMeanReading(linearMean);

  function createContextReading(state: ContextState) {
    const unknown = createContext(state);
    const cells = new Float64Array(unknown.size);
    const x = new Float64Array(channels);
    const rest = new Float64Array(channels);
    const read: LinearReading['inContext'] = (batch, window, deviations, memory) => {
      const newest = (window * shape.length + shape.length - 1) * channels;
      const from = window * channels;
      for (let j = 0; j < channels; j++) {
        const shift = batch.recalled.shifts[from + j] ?? 0;
        x[j] = scaler.scaleKnown(batch.values[newest + j]!, j) - shift;
      }
      if (memory !== undefined) return memory.context(x, deviations, from, rest);
      unknown.begin(cells, '');
      return unknown.step(cells, x, 0, deviations, from, rest);
    };
    return { read, /** The unexplained part of the deviations, for the window that was read last. */ rest };
  }

  function createMeanReading(state: ChartState) {
    const unknown = createMeanChart(state, meanRecords);
    const cells = new Float64Array(channels);
    const centre = new Float64Array(channels);
    return (deviations: ArrayLike<number>, from: number, memory?: DeviceMemory): number =>
      memory === undefined
        ? unknown.step(cells.fill(0), deviations, from, centre)
        : memory.linearMean(deviations, from);
  }

  return {
    ...(context && { inContext: context.read }),
    ...(mean && {
      mean: (window, deviations, memory) =>
        context === undefined ? mean(deviations, window * channels, memory) : mean(context.rest, 0, memory),
    }),
  };
}
