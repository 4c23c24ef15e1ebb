/** Composition of a training: history → decode → data set → train → store. It runs in a separate process. */
import { createRecordDecoder } from '../pipeline/record-decoder';
import { chosenStatistics } from '../config/calibration';
import { settingsFingerprint } from '../config/fingerprint';
import type { DetectorSettings } from '../config/settings';
import { checkColdStart, coldStartSettings } from './cold-start';
import type { Engines } from './engines';
import type { FleetPart, HistorySummary } from './history-account';
import { imageOf, type TimeConditionSpec } from '../domain/record';
import { modelImage } from '../domain/tiles';
import { createWindowBatch } from '../domain/window';
import { LeaseError, TrainingError } from '../errors';
import { chooseFeatures } from '../models/features';
import { disposeModel, type Features } from '../models/model';
import { encodeBundle } from '../scoring/bundle';
import type { DetectionPower } from '../scoring/detection-power';
import type { ModelStore } from '../store/model-store';
import { messageOf } from '../system/error-text';
import type { StoredTensor } from '../tensor';
import { measurePower } from '../training/canary';
import { findCounters, withRates } from '../training/counters';
import type { Dataset } from '../training/dataset';
import type { TrainingReport } from '../training/report';
import { findSeasons } from '../training/seasons';
import { train, type Progress } from '../training/train';
import { type TrainingOptions } from '../training/options';
import { readBackbone } from './backbone';
import { readDataset, type FileHistoryReport, type HistoryParts } from './read-history';

export interface TrainerParts extends HistoryParts {
  store: Pick<ModelStore, 'publish'>;
  engines: Pick<Engines, 'tensors' | 'openScoring' | 'openTraining'>;
  /** Library versions by package name. */
  writtenBy: Readonly<Record<string, string>>;
  /** Weights in PyTorch's layout to calibrate instead of training. */
  weights?: ReadonlyMap<string, StoredTensor>;
  /** File with the weights of the backbone; default: the one in the package. */
  backbonePath?: string;
  /** Whether to train the linear model that scores until the configured one is trained. */
  coldStart?: boolean;
  /** Whether the version in use stays the current one, as the new version is put on trial. */
  onTrial?: boolean;
  onProgress: (progress: Progress) => void;
}

export interface HistoryReport {
  /** Why the model reads gradients although the backbone is configured. */
  featuresProblem?: string;
  /** Records that are left out: they cannot be used, or are not newer than the newest one of their device. */
  rejectedRecords: number;
  rejectedByReason: HistorySummary['rejected'];
  /** Absent without training.historyFrom. */
  historyFrom?: FileHistoryReport;
  /** Absent if the history has records of all devices. */
  part?: FleetPart;
  /** Event times of the first and the last window, Unix ms. */
  span: { from: number; to: number };
  settings: Pick<DetectorSettings, 'training' | 'calibration'>;
  /** Absent if there are too few held-out records. */
  detectionPower?: DetectionPower;
}

export interface TrainingResult {
  version: string;
  report: TrainingReport & HistoryReport;
}

/** Windows stored with their scores: enough to detect a wrong model, few enough to check at every load. */
const goldenRecords = 8;

/** Maximum number of values in these windows, for large images; there are at least two windows. */
const goldenValues = 100_000;

/** @throws TrainingError with the reason why no version was published */
export async function trainDetector(parts: TrainerParts): Promise<TrainingResult> {
  const { engines, weights, coldStart = false, onProgress } = parts;
  const settings = coldStart ? coldStartSettings(parts.settings) : parts.settings;
  const { tensors, openScoring, openTraining } = engines;
  const { record, training, calibration } = settings;
  // Limit of categories: every value of the history is kept, so that the frequent ones can be found among those that occur
  // once.
  const categories = settings.training.maxRecords * Math.max(1, record.conditions.length);
  const recordDecoder = createRecordDecoder(parts.settings, { maxCategories: categories });
  const { dataset: levels, fromFile, account, gaps } = await readDataset(parts, recordDecoder);
  const { rejected: rejectedByReason, part } = account.summary();
  const kindOf = (name: string) => record.signals.find(({ channel }) => channel === name)?.kind ?? 'auto';
  const counters = findCounters(levels, record.channels, kindOf);
  const dataset = withRates(levels, record.channels, counters);
  const read = featuresOf(settings, parts.backbonePath);
  const statistics = chosenStatistics(calibration.statistics, imageOf(record) && read.model.features);
  const options = {
    ...training,
    ...calibration,
    statistics,
    acceptAfter: settings.events.acceptAfter,
    schema: record,
    signals: record.signals,
    gaps: gaps.statistics(),
    counters,
    seasons: seasonsOf(dataset, settings),
    ...read,
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
      ...(fromFile && { historyFrom: fromFile }),
      ...(part && { part }),
      span: spanOf(dataset),
      settings: { training, calibration: { ...calibration, statistics } },
    };
    const golden = pickGolden(dataset, trained.report.windows.fit);
    const files = await encodeBundle({ ...trained, report }, golden, recordDecoder.table, openScoring);
    return { version: await publish(parts, files), report };
  } finally {
    disposeModel(trained.model);
  }
}

/** The weights of the backbone; if they cannot be read, the model reads gradients, and the reason is returned. */
function featuresOf(
  { model: given, record }: Pick<DetectorSettings, 'model' | 'record'>,
  path: string | undefined,
): Pick<TrainingOptions, 'backbone'> & {
  model: TrainingOptions['model'] & { features: Features };
  featuresProblem?: string;
} {
  const image = imageOf(record);
  const model = { ...given, features: chooseFeatures(given.features, image && modelImage(image)) };
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

function spanOf({ ends, timestamps }: Dataset): HistoryReport['span'] {
  return { from: timestamps[ends[0]!]!, to: timestamps[ends.at(-1)!]! };
}

/** Evenly spaced windows among the oldest `windows` ones of the training data. */
function pickGolden(dataset: Dataset, windows: number): ReturnType<typeof createWindowBatch> {
  const { length, channels } = dataset.shape;
  const fitting = Math.max(2, Math.floor(goldenValues / (length * channels)));
  const count = Math.min(goldenRecords, fitting, windows);
  const batch = createWindowBatch(dataset.shape, count);
  for (let i = 0; i < count; i++) dataset.copy(dataset.ends[Math.floor((i * windows) / count)]!, batch);
  return batch;
}

async function publish(
  { store, writtenBy, onTrial = false }: TrainerParts,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<string> {
  try {
    return await store.publish(files, writtenBy, { onTrial });
  } catch (cause) {
    if (cause instanceof LeaseError) throw new TrainingError('lease', cause.message, { cause });
    const problem = `the new version could not be stored: ${messageOf(cause)}`;
    throw new TrainingError('store', problem, { cause });
  }
}
