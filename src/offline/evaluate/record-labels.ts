/**
 * Labels of single records, for evaluation only. CSV `index,label` or `series,index,label`; or idx with one byte per record,
 * 0 = normal, all others anomalous.
 */
import { readCsvTable } from '../../sources/file/csv';
import { isIdxLabels, parseIdxLabels, readPlain } from '../../sources/file/idx';
import { nearest } from '../../schema/suggest';

/** By row of the test file, from 0; 1 = anomalous. */
export type RecordLabels = ReadonlyMap<number, 0 | 1>;

/**
 * The labels in a file, by series.
 * @param series name to use if the file has no column `series`
 * @throws Error that names the file and the line
 */
export async function readRecordLabels(path: string, series: string): Promise<Map<string, RecordLabels>> {
  const bytes = await readPlain(path);
  if (isIdxLabels(bytes)) {
    const labels = Array.from(parseIdxLabels(bytes, path), (byte, i): [number, 0 | 1] => [
      i,
      byte === 0 ? 0 : 1,
    ]);
    return new Map([[series, new Map(labels)]]);
  }
  const all = new Map<string, Map<number, 0 | 1>>();
  for (const { line, cells } of await readCsvTable(path)) {
    const { index = '', label = '' } = cells;
    if (!/^\d+$/.test(index) || !/^[01](\.0+)?$/.test(label))
      throw new Error(`${path}:${line}: index must be the number of a record from 0, label 0 or 1`);
    const name = cells['series'] ?? series;
    let labels = all.get(name);
    if (labels === undefined) all.set(name, (labels = new Map<number, 0 | 1>()));
    labels.set(Number(index), Number(label) === 1 ? 1 : 0);
  }
  return all;
}

export interface UnusedLabels {
  /** The series in the file's names; empty for a file of several series without a column `series`. */
  series: string;
  labels: number;
  /** The series of the evaluation with the most similar name. */
  nearestSeries: string | undefined;
}

/** The labels of series that are not evaluated. */
export function unusedLabels(
  labels: ReadonlyMap<string, RecordLabels>,
  evaluated: readonly string[],
): UnusedLabels[] {
  return [...labels]
    .filter(([series]) => !evaluated.includes(series))
    .map(([series, { size }]) => ({ series, labels: size, nearestSeries: nearest(series, evaluated) }));
}
