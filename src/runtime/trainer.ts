/** Composition of a training: history → decode → data set → train → store. Runs in a separate process. */
import { createRecordDecoder } from '../pipeline/record-decoder';
import { settingsFingerprint } from '../config/fingerprint';
import type { DetectorSettings } from '../config/settings';
import { checkColdStart, coldStartSettings } from './cold-start';
import type { Engines } from './engines';
import { HistoryAccount, type HistorySummary } from './history-account';
import { meaningOf, type Label } from '../domain/label';
import type { TimeConditionSpec } from '../domain/record';
import { createLimitCheck } from '../domain/signal';
import { createWindowBatch } from '../domain/window';
import { LeaseError, TrainingError } from '../errors';
import { disposeModel } from '../models/model';
import { encodeBundle } from '../scoring/bundle';
import type { ReadHistory } from '../sources/history';
import { configuredSource } from '../sources/configured';
import type { DetectionPower } from '../scoring/detection-power';
import type { ModelStore } from '../store/model-store';
import { messageOf } from '../system/error-text';
import type { StoredTensor } from '../tensor';
import { measurePower } from '../training/canary';
import { findCounters, withRates } from '../training/counters';
import { createGapReader, type GapReader } from '../training/gaps';
import { createDatasetBuilder, type Dataset } from '../training/dataset';
import type { Interval } from '../training/exclusion';
import type { TrainingReport } from '../training/report';
import { findSeasons } from '../training/seasons';
import { train, type Progress, type TrainingOptions } from '../training/train';
import { readBackbone } from './backbone';

export interface TrainerParts {
  settings: DetectorSettings;
  readHistory: ReadHistory;
  store: Pick<ModelStore, 'publish'>;
  engines: Pick<Engines, 'tensors' | 'openScoring' | 'openTraining'>;
  /** Intervals to leave out: events and their surroundings. */
  exclude: readonly Interval[];
  /** Labels that people gave to intervals; they override the exclusion. */
  labels?: readonly Label[];
  /** Called with the labels, if any, in whose interval no record of the history lies; `keys` are those of the history. */
  onUnmatchedLabels?: (labels: readonly Label[], keys: readonly string[]) => void;
  /** Called when the history has been read. */
  onHistory?: ((history: HistorySummary) => void) | undefined;
  /** Library versions by package name. */
  writtenBy: Readonly<Record<string, string>>;
  /** Weights in PyTorch's layout to calibrate instead of training. */
  weights?: ReadonlyMap<string, StoredTensor>;
  /** File with the weights of the backbone; by default the one of the product. */
  backbonePath?: string;
  /** Train the linear model that scores until there is another one. */
  coldStart?: boolean;
  onProgress: (progress: Progress) => void;
  /** Unix ms. */
  now: () => number;
}

export interface HistoryReport {
  /** Why the model reads gradients although the backbone is configured. */
  featuresProblem?: string;
  /** Records that are left out: they cannot be used, or are not newer than the newest one of their device. */
  rejectedRecords: number;
  rejectedByReason: HistorySummary['rejected'];
  /** Absent where the held-out records are too few. */
  detectionPower?: DetectionPower;
}

export interface TrainingResult {
  version: string;
  report: TrainingReport & HistoryReport;
}

/** Windows stored with their scores: enough to detect a wrong model, few enough to check at every load. */
const goldenRecords = 8;

/** Limit of the values of these windows, for large images; there are at least two windows. */
const goldenValues = 100_000;

/** @throws TrainingError with the reason why there is no new version */
export async function trainDetector(parts: TrainerParts): Promise<TrainingResult> {
  const { engines, weights, coldStart = false, onProgress } = parts;
  const settings = coldStart ? coldStartSettings(parts.settings) : parts.settings;
  const { tensors, openScoring, openTraining } = engines;
  const { record, model, training, calibration } = settings;
  // Every value of the history, so that the frequent ones are found among those that occur once.
  const categories = settings.training.maxRecords * Math.max(1, record.conditions.length);
  const recordDecoder = createRecordDecoder(parts.settings, undefined, categories);
  const account = new HistoryAccount(settings);
  const gapReader = createGapReader(settings.window.maxKeys);
  const levels = await readDataset(parts, recordDecoder, account, gapReader);
  const { rejected: rejectedByReason } = account.summary();
  const kindOf = (name: string) => record.signals.find(({ channel }) => channel === name)?.kind ?? 'auto';
  const counters = findCounters(levels, record.channels, kindOf);
  const dataset = withRates(levels, record.channels, counters);
  const options = {
    ...training,
    ...calibration,
    acceptAfter: settings.events.acceptAfter,
    schema: record,
    signals: record.signals,
    gaps: gapReader.statistics(),
    counters,
    seasons: seasonsOf(dataset, settings),
    ...featuresOf(model, parts.backbonePath),
    calibrationShare: calibration.share,
    engine: tensors.name,
    settingsFingerprint: settingsFingerprint(parts.settings),
    openScoring,
    openTraining,
    ...(weights !== undefined && { weights }),
  };
  let trained: Awaited<ReturnType<typeof train>>;
  try {
    if (coldStart) checkColdStart(dataset);
    trained = await train(dataset, recordDecoder.table, options, onProgress);
  } catch (cause) {
    if (!(cause instanceof TrainingError) || cause.reason !== 'too_few_records') throw cause;
    throw new TrainingError(cause.reason, `${cause.message}; ${account.describe()}`, { cause });
  }
  try {
    const { falseAlarmTarget: target, share } = calibration;
    const canaries = { target, share, time: settings.window, seed: training.seed, openScoring };
    const power = await measurePower(trained, levels, canaries, recordDecoder.table);
    const report = {
      ...trained.report,
      ...(options.featuresProblem !== undefined && { featuresProblem: options.featuresProblem }),
      ...(power && { detectionPower: power }),
      rejectedRecords: account.rejected,
      rejectedByReason,
    };
    const golden = pickGolden(dataset, trained.report.windows.fit);
    const files = await encodeBundle({ ...trained, report }, golden, recordDecoder.table, openScoring);
    return { version: await publish(parts, files), report };
  } finally {
    disposeModel(trained.model);
  }
}

/** The model with the weights of its backbone, or, if they cannot be read, one of gradients and the reason. */
function featuresOf(
  model: DetectorSettings['model'],
  path: string | undefined,
): Pick<TrainingOptions, 'model' | 'backbone'> & { featuresProblem?: string } {
  if (model.features !== 'backbone') return { model };
  try {
    return { model, backbone: readBackbone(path) };
  } catch (error) {
    return { model: { ...model, features: 'gradients' }, featuresProblem: messageOf(error) };
  }
}

function seasonsOf(dataset: Dataset, { record, training }: DetectorSettings): TimeConditionSpec[] {
  if (record.seasons === 'off' || record.kind === 'image') return [];
  const known = record.conditions.map(({ kind }) => kind);
  return findSeasons(dataset, known, training.timeZone);
}

async function readDataset(
  { settings, readHistory, exclude, labels = [], onUnmatchedLabels, onHistory, now }: TrainerParts,
  { decode, shape }: ReturnType<typeof createRecordDecoder>,
  account: HistoryAccount,
  gaps: GapReader,
): Promise<Dataset> {
  const builder = createDatasetBuilder(shape, (...stale) => account.leftOut(...stale));
  const { maxRecords, historyMs, blocks } = settings.training;
  const from = configuredSource(settings.source).bounded ? undefined : now() - historyMs;
  let share = 1;
  const onShare = (read: number): void => void (share = read);
  for await (const messages of readHistory({ from, to: undefined, maxRecords, blocks, onShare })) {
    const { records, rows } = await decode(messages, now());
    account.read(rows);
    builder.add(records, messages.block);
    rows.forEach((row, i) => {
      if (typeof row !== 'number') return;
      const { topic, partition } = messages[i]!.origin;
      gaps.add(`${messages.block ?? ''}/${topic}/${partition}`, records.keys[row]!, records.timestamps[row]!);
    });
  }
  const unmatched = builder.withoutRecords(labels);
  if (unmatched.length > 0) onUnmatchedLabels?.(unmatched, builder.keys);
  const dataset = builder.build(shape, {
    time: settings.window,
    exclude,
    share,
    incidents: labels.filter(({ label }) => !meaningOf[label].isLearned),
    normal: labels.filter(({ label }) => meaningOf[label].isLearned),
    maxExcludedShare: settings.training.maxExcludedShare,
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
  });
  account.built(dataset, builder.keys.length, builder.dropped);
  onHistory?.(account.summary());
  return dataset;
}

/** Windows spread evenly over the oldest `windows` ones of the training data. */
function pickGolden(dataset: Dataset, windows: number): ReturnType<typeof createWindowBatch> {
  const { length, channels } = dataset.shape;
  const fitting = Math.max(2, Math.floor(goldenValues / (length * channels)));
  const count = Math.min(goldenRecords, fitting, windows);
  const batch = createWindowBatch(dataset.shape, count);
  for (let i = 0; i < count; i++) dataset.copy(dataset.ends[Math.floor((i * windows) / count)]!, batch);
  return batch;
}

async function publish(
  { store, writtenBy }: TrainerParts,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<string> {
  try {
    return await store.publish(files, writtenBy);
  } catch (cause) {
    if (cause instanceof LeaseError) throw new TrainingError('lease', cause.message, { cause });
    const problem = `the new version could not be stored: ${messageOf(cause)}`;
    throw new TrainingError('store', problem, { cause });
  }
}
