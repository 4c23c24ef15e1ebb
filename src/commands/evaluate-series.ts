/** One series of an evaluation: its files and a detector's configuration to scores. */
import { loadSettings } from '../config/load';
import type { DetectorSettings, Settings } from '../config/settings';
import type { SeriesOutcome } from '../evaluation-process';
import { evaluateDetector } from '../evaluator';
import { readColumns } from '../sources/file';
import { numericChannels, readSeries, toMessages } from '../sources/series';
import type { SeriesFiles } from '../sources/series-files';
import { openBackend } from '../tensor';
import type { CommandContext } from './context';

export interface EvaluatedDetector {
  /** A detector's file. */
  path: string;
  overrides: Readonly<Record<string, string>>;
  env: CommandContext['env'];
}

/**
 * The settings for one series: source and field names are those of its files, and so are the channels, unless the
 * detector's file lists them.
 */
export async function loadSeriesSettings(
  { path, overrides, env }: EvaluatedDetector,
  { train }: Pick<SeriesFiles, 'train'>,
): Promise<{ daemon: Settings['daemon']; detector: DetectorSettings; columns: readonly string[] }> {
  const columns = await readColumns(train);
  const { daemon, detectors } = await loadSettings(path, {
    env,
    overrides: {
      ...overrides,
      'source.kind': 'file',
      'source.file.path': train,
      'sinks.kafka.enabled': 'false',
      'fields.key': 'key',
      'fields.timestamp': 'timestamp',
      'fields.values': 'values',
      'fields.conditions': 'conditions',
    },
    assumed: { record: { channels: columns, missingChannels: 'mask', extraChannels: 'ignore' } },
  });
  if (detectors.length !== 1) throw new Error(`${path} must have one detector, not ${detectors.length}`);
  return { daemon, detector: detectors[0]!.settings, columns };
}

export async function evaluateSeries(
  evaluated: EvaluatedDetector,
  files: Pick<SeriesFiles, 'name' | 'train' | 'test'>,
): Promise<SeriesOutcome> {
  const began = performance.now();
  const { detector: settings, columns } = await loadSeriesSettings(evaluated, files);
  const series = await readSeries(files, settings.source.file.columns);
  const { channels } = settings.record;
  const fromHeader = channels.length === columns.length && channels.every((name, i) => name === columns[i]);
  const kept = fromHeader ? numericChannels(series) : channels;
  const known = [...Object.keys(series.train.records[0]!.values ?? {})];
  const backend = await openBackend();
  const { scores, flags, ...rest } = await evaluateDetector({
    settings: { ...settings, record: { ...settings.record, channels: kept } },
    ...toMessages(series),
    backend,
  });
  return {
    series: files.name,
    scores: Array.from(scores),
    flags: Array.from(flags),
    ...rest,
    channels: kept,
    ignoredColumns: known.filter((column) => !kept.includes(column)),
    engine: backend.name,
    seconds: (performance.now() - began) / 1000,
  };
}
