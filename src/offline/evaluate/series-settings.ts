/** The settings to evaluate a detector with: those of its file, and those derived from the recorded data. */
import { loadSettings } from '../../config/load';
import type { DetectorSettings, Settings } from '../../config/settings';
import { readColumns } from '../../sources/file/file';
import { isIdxPath } from '../../domain/recording';
import { readIdxImages } from '../../sources/file/idx';
import type { Cadence } from './retraining';
import type { SeriesFiles } from './series-files';

export interface EvaluatedDetector {
  /** Path of a detector's file. */
  path: string;
  overrides: Readonly<Record<string, string>>;
  env: Readonly<Record<string, string | undefined>>;
  /** When to train again on the records of a test; undefined = never. */
  retrain?: Cadence | undefined;
}

/**
 * The settings with the source and the field names of the series; with its channels as well, unless the detector's file lists
 * channels.
 */
export async function loadSeriesSettings(
  { path, overrides, env }: EvaluatedDetector,
  { train }: Pick<SeriesFiles, 'train'>,
): Promise<{ daemon: Settings['daemon']; detector: DetectorSettings; columns: readonly string[] }> {
  const facts = isIdxPath(train) ? await factsOfImages(train) : await factsOfColumns(train);
  const { daemon, detectors } = await loadSettings(path, {
    env,
    overrides: {
      ...overrides,
      'source.kind': 'file',
      'source.file.path': train,
      'record.format': 'json',
      'sinks.kafka.enabled': 'false',
      ...facts.overrides,
    },
    assumed: facts.assumed,
  });
  if (detectors.length !== 1) throw new Error(`${path} must have one detector, not ${detectors.length}`);
  return { daemon, detector: detectors[0]!.settings, columns: facts.columns };
}

/** Settings derived from a file of recorded data. */
interface FileFacts {
  columns: readonly string[];
  overrides: Readonly<Record<string, string>>;
  assumed: unknown;
}

/** Reversed, so that a configuration that lists all columns differs from one that lists none. */
export function assumedChannels(columns: readonly string[]): string[] {
  return columns.filter((name) => name !== '').reverse();
}

async function factsOfColumns(train: string): Promise<FileFacts> {
  const columns = await readColumns(train);
  return {
    columns,
    overrides: {
      'fields.key': 'key',
      'fields.timestamp': 'timestamp',
      'fields.values': 'values',
      'fields.conditions': 'conditions',
    },
    assumed: {
      record: { channels: assumedChannels(columns), missingChannels: 'mask', extraChannels: 'ignore' },
    },
  };
}

async function factsOfImages(train: string): Promise<FileFacts> {
  const { width, height } = await readIdxImages(train);
  return {
    columns: [],
    overrides: { 'fields.image': '', 'record.image.format': 'raw', 'record.image.colour': 'grey' },
    assumed: { record: { kind: 'image', image: { width, height } } },
  };
}
