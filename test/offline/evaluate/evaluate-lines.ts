/** Evaluation of records that a test makes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { evaluateSeries, type SeriesOutcome } from '../../../src/offline/evaluate/evaluate-series';

export interface Lines {
  /** The detector's file. */
  detector: string;
  overrides: Readonly<Record<string, string>>;
  /** Columns of the CSV files. */
  columns: readonly string[];
  train: readonly string[];
  test: readonly string[];
}

export async function evaluateLines({
  detector,
  overrides,
  columns,
  train,
  test,
}: Lines): Promise<SeriesOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'vaemon-evaluate-'));
  const write = async (name: string, lines: readonly string[]): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, `${lines.join('\n')}\n`);
    return path;
  };
  try {
    return await evaluateSeries(
      { path: await write('any.yaml', [detector]), overrides, env: {} },
      {
        name: 'plant',
        train: await write('plant.train.csv', [columns.join(), ...train]),
        test: await write('plant.test.csv', [columns.join(), ...test]),
      },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}
