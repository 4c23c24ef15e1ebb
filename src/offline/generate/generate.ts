/** Generates synthetic windows with a model version. */
import { createCategoryTable } from '../../domain/condition';
import type { Model } from '../../models/model';
import type { VersionState } from '../../scoring/version-state';
import { generateWindows, type GenerateOptions } from '../../scoring/generate';
import { csvLine } from '../csv';

/**
 * Windows in the channels' units, shape [count, length, channels]; or images as bytes, [count, height, width, colours].
 * @param options with the conditions as text
 * @throws DecodeError if a condition is missing or has the wrong type
 */
export function generate(
  state: VersionState,
  model: Model,
  { conditions, ...options }: GenerateOptions & { conditions: Readonly<Record<string, string>> },
): Float64Array {
  const numeric = new Set(
    state.conditions.specs.filter(({ kind }) => kind === 'number').map(({ name }) => name),
  );
  const typed = Object.fromEntries(
    Object.entries(conditions).map(([name, text]) => [name, numeric.has(name) ? Number(text) : text]),
  );
  return generateWindows(state, model, createCategoryTable(), { ...options, conditions: typed });
}

/** Formats windows as CSV with one line per record. */
export function formatWindows(
  windows: Float64Array,
  { channels, spec }: Pick<VersionState, 'channels' | 'spec'>,
): string {
  const width = channels.length;
  const lines = Array.from({ length: windows.length / width }, (_, row) => {
    const values = windows.subarray(row * width, (row + 1) * width);
    return csvLine([Math.floor(row / spec.length), row % spec.length, ...values]);
  });
  return [csvLine(['window', 'record', ...channels]), ...lines].join('');
}
