/** `calibration`, `drift` and `events`: from scores to alarms. */
import { alarmThreshold } from '../calibration/threshold';
import { statisticNames, type StatisticName } from '../domain/detection';
import type { EventPolicy } from '../domain/event';
import type { ConditionSpec } from '../domain/record';
import type { Features } from '../models/model';
import { choicesOr, conditionName, flag, ratio, show, whole } from '../schema/formats';
import { duration, falseAlarmTarget, rateOr } from '../schema/time-formats';
import type { Parsed, Section } from '../schema/key';
import type { Rule } from '../schema/rule';
import { didYouMean, nearest } from '../schema/suggest';

const sensorStatistics = ['balanced', 'linear', 'newest'] as const satisfies readonly StatisticName[];

export const calibrationSection = {
  falseAlarmTarget: falseAlarmTarget({
    doc:
      'Acceptable false alarms; the alarm threshold follows from it. A rate is also the alarm budget, unless `events.budget` is ' +
      'set.',
    default: 0.001,
    reloads: true,
  }),
  share: ratio({ doc: 'Newest share of the history, which calibrates and is not trained on.', default: 0.3 }),
  statistics: choicesOr(
    {
      doc:
        'Statistics that the score is combined from. `reconstruction`: how badly the model explains the window. ' +
        '`balanced`: the same, each channel in a unit of its own, so that a noisy one does not hide a quiet one. `linear`: how ' +
        'badly its linear sibling explains the newest record (not for images). These also count over ten records. ' +
        '`newest`: how badly the model explains the newest record. `latent`: how unlikely the code is. `llr` (`hvae`): how much ' +
        'the lower levels have to explain. `channel`: the most unusual channels. Of images by `model.features`: `patch`: how badly ' +
        'the model explains the cell that it explains worst. `bank`: how far the image, or one of its cells, is from the nearest ' +
        'typical one. `auto`: `patch` and `bank` of `backbone`; `patch`, `channel` and `bank` of `gradients`; `channel` of `pixels`; ' +
        'the default of windows.',
      default: sensorStatistics,
    },
    'auto',
    statisticNames,
  ),
  groupBy: conditionName({
    doc:
      'Category of `record.conditions`; the false-alarm target holds within each of its values. A value with 200 calibration ' +
      'windows is calibrated by itself, the others together. Empty: the target holds over all records.',
    default: '',
  }),
} satisfies Section;

export const driftSection = {
  falseStartTarget: falseAlarmTarget({
    doc: 'Acceptable false drift detections, on average.',
    default: '1 per year',
    reloads: true,
  }),
} satisfies Section;

export const eventsSection = {
  openRecords: whole(
    {
      doc: 'An event opens when this many of the last `events.openWindow` records of a device are anomalous.',
      default: 3,
      reloads: true,
    },
    { max: 10_000 },
  ),
  openWindow: whole(
    {
      doc: 'Number of last records of a device among which anomalous ones are counted.',
      default: 5,
      reloads: true,
    },
    { max: 10_000 },
  ),
  minRecords: whole({ doc: 'Smallest number of anomalous records of an event.', default: 1, reloads: true }),
  minLength: duration({
    doc: 'Shortest event time of an event. A shorter one is not reported.',
    default: '0s',
    reloads: true,
  }),
  closeAfter: whole({
    doc: 'An event closes after this many records in a row that are not anomalous, of those with a value of each odd channel.',
    default: 10,
    reloads: true,
  }),
  silence: duration(
    {
      doc:
        'An event also closes when its device sends nothing for this long (event time) while others of its partition do, or ' +
        'no value of an odd channel.',
      default: '1h',
      reloads: true,
    },
    { min: 1 },
  ),
  suppressFor: duration({
    doc: 'After an event, no other event opens for its device for this long (event time). 0: not suppressed.',
    default: '0s',
    reloads: true,
  }),
  silentDevices: flag({
    doc:
      'Open an event when a device sends nothing for longer than history makes likely, while others of its partition continue ' +
      '(docs/rules.md).',
    default: true,
    reloads: true,
  }),
  acceptAfter: whole(
    {
      doc:
        'An event with this many anomalous records is accepted as the new normal, unless its peak surprise has risen by more than ' +
        'one decade in the second half of them: it then closes as `accepted`, and no other one opens until it is over or ' +
        'becomes more surprising. A violated limit is never accepted. A device that is silent for this many of its intervals is ' +
        'forgotten. After as many records outside of its range in history, a channel has a new level; and the threshold of ' +
        'a device follows the median of as many, within bounds. 0: nothing is accepted, and normal stays as in training.',
      default: 1500,
    },
    { min: 0 },
  ),
  budget: rateOr(
    {
      doc:
        'Alarm budget: most events of the detector in the long run; a burst of nine more may open in each partition. While much of ' +
        'it is spent, only more surprising events open, and the others are held back: written with `status: held_back`, but no ' +
        'alarm. `auto`: the rate of `calibration.falseAlarmTarget`; none where that is a ratio. docs/rules.md has the rule.',
      default: 'auto',
      reloads: true,
    },
    ['auto', 'none'],
  ),
} satisfies Section;

/**
 * The statistics from which the score is computed.
 * @param features that the model reads; undefined for windows
 */
export function chosenStatistics(
  statistics: Parsed<typeof calibrationSection>['statistics'],
  features: Features | undefined,
): readonly StatisticName[] {
  if (statistics !== 'auto') return statistics;
  if (features === undefined) return sensorStatistics;
  // With features of the backbone, the statistic `channel` adds nothing on surfaces and is worse on objects
  // (docs/quality.md).
  return features === 'backbone' ? ['patch', 'bank'] : ['patch', 'channel', 'bank'];
}

/** The event policy in the settings. */
export function eventPolicy({
  calibration: { falseAlarmTarget: target },
  events: { budget, silentDevices, ...policy },
  window: { maxKeys },
}: Pick<AlarmSettings, 'calibration' | 'events'> & { window: { maxKeys: number } }): EventPolicy {
  const chosen = budget === 'auto' ? target : budget;
  const isRate = chosen !== 'none' && chosen.kind === 'rate';
  return {
    ...policy,
    ...(isRate && { eventsPerMs: chosen.count / chosen.perMs }),
    ...(silentDevices && { watchedDevices: maxKeys }),
  };
}

/**
 * The alarm threshold of a model version under the settings, and the margin above it at which its events open.
 * @throws RangeError if the target is too rare for its calibration
 */
export function configuredThreshold(
  settings: Parameters<typeof eventPolicy>[0],
  version: Parameters<typeof alarmThreshold>[1],
): ReturnType<typeof alarmThreshold> {
  return alarmThreshold(settings.calibration.falseAlarmTarget, version, eventPolicy(settings).eventsPerMs);
}

interface AlarmSettings {
  record: { conditions: readonly ConditionSpec[] };
  calibration: Parsed<typeof calibrationSection>;
  events: Parsed<typeof eventsSection>;
}

export const alarmRules: readonly Rule<AlarmSettings>[] = [
  {
    keys: ['calibration.groupBy', 'record.conditions'],
    problem({ calibration: { groupBy }, record }) {
      if (groupBy === '') return undefined;
      const categories = record.conditions.filter(({ kind }) => kind === 'category').map(({ name }) => name);
      return categories.includes(groupBy)
        ? undefined
        : `must be a category of record.conditions (got ${show(groupBy)}${didYouMean(nearest(groupBy, categories))})`;
    },
  },
  {
    keys: ['events.openRecords', 'events.openWindow'],
    problem: ({ events }) =>
      events.openRecords <= events.openWindow
        ? undefined
        : `must not be above events.openWindow (got ${events.openRecords}, ${events.openWindow})`,
  },
];
