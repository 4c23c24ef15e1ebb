/**
 * Cold start: a detector without a model begins with a linear one, which needs a hundred records and no training steps. It
 * scores until the configured model is trained.
 */
import type { DetectorSettings } from '../config/settings';
import { imageBytes } from '../domain/image';
import { imageOf } from '../domain/record';
import { modelImage } from '../domain/tiles';
import { TrainingError } from '../errors';
import type { ModelSpec } from '../models/model';
import type { Dataset } from '../training/dataset';

const kind = 'linear';

const neededRecords = 100;

/** Share of the history for calibration: a linear model learns from few records, but p-values need many. */
const share = 0.5;

/** Whether a linear model can score until the configured one is trained. */
export function hasColdStart({ model }: Pick<DetectorSettings, 'model'>): boolean {
  return model.kind !== kind;
}

/** Whether a version is a cold start although another model is configured. */
export function isColdStart(
  spec: Pick<ModelSpec, 'kind'>,
  settings: Pick<DetectorSettings, 'model'>,
): boolean {
  return spec.kind === kind && hasColdStart(settings);
}

/** The settings for the training of a cold start. */
export function coldStartSettings(settings: DetectorSettings): DetectorSettings {
  const { record, window, model, training, calibration } = settings;
  const image = imageOf(record);
  const dim = image === undefined ? record.channels.length * window.length : imageBytes(modelImage(image));
  return {
    ...settings,
    record: {
      ...record,
      // Hours and weekdays explain nothing until the history contains several of them.
      conditions: record.conditions.filter(({ kind: of }) => of === 'category' || of === 'number'),
      seasons: 'off',
    },
    model: {
      ...model,
      kind,
      network: 'mlp',
      likelihood: 'gaussian',
      latentDim: Math.max(1, Math.min(model.latentDim, dim - 1)),
    },
    training: { ...training, minRecords: 1 },
    calibration: { ...calibration, share },
  };
}

/** @throws TrainingError if the history is too short for a cold start */
export function checkColdStart({
  records,
  excludedRecords,
}: Pick<Dataset, 'records' | 'excludedRecords'>): void {
  const used = records - excludedRecords;
  if (used >= neededRecords) return;
  const problem = `${used} records to learn from, but a cold start needs ${neededRecords}`;
  throw new TrainingError('too_few_records', problem);
}
