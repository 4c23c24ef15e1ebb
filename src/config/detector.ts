/** `detectors/*.yaml`: one detector, composed of the sections of its parts and the rules between them. */
import { codecRules } from '../codecs/settings';
import { choice, detectorName } from '../schema/formats';
import { nameVariables, type Parsed, type Section } from '../schema/key';
import type { Rule } from '../schema/rule';
import { sinkRules, sinksSection } from '../sinks/configured';
import { completeSource, sourceRules, sourceSection } from '../sources/configured';
import type { SourceKind } from '../sources/sources';
import { alarmRules, calibrationSection, driftSection, eventsSection } from './calibration';
import { pastSection } from './recent-past';
import { modelRules, modelSection } from './model';
import { presetNames } from './presets';
import { defaultMaxBytes, fieldsSection, recordRules, recordSection } from './record';
import { trainingRules, trainingSection } from './training';
import { windowRules, windowSection } from './window';

export const detectorSchema = nameVariables(
  {
    detector: detectorName({
      doc: 'Name of the detector: label of its metrics and name of its folder in the store.',
    }),
    preset: choice(
      {
        doc:
          'Defaults for a kind of data: `sensor` or `image` records. Keys set in the file take precedence. The length of a ' +
          'training is derived from the data with any preset.',
        default: 'none',
      },
      presetNames,
    ),
    source: sourceSection,
    delivery: choice(
      {
        doc:
          'How often a consumer of committed messages sees the detection of a record. `at-least-once`: once, and after a crash ' +
          'possibly again. `exactly-once`: once; needs a Kafka source and `sinks.kafka` on the same cluster (docs/kafka.md).',
        default: 'at-least-once',
      },
      ['at-least-once', 'exactly-once'],
    ),
    fields: fieldsSection,
    record: recordSection,
    window: windowSection,
    model: modelSection,
    training: trainingSection,
    calibration: calibrationSection,
    drift: driftSection,
    events: eventsSection,
    past: pastSection,
    sinks: sinksSection,
  } satisfies Section,
  // These keys have no variable, as they differ from detector to detector.
  ['detector', 'record.conditions', 'record.signals', 'source.prometheus.queries'],
);

export type DetectorSettings = Parsed<typeof detectorSchema>;

const deliveryRule: Rule<DetectorSettings> = {
  keys: ['delivery', 'source.kind', 'sinks.kafka.enabled', 'sinks.kafka.brokers', 'source.kafka.brokers'],
  problem({ delivery, source, sinks }) {
    if (delivery !== 'exactly-once') return undefined;
    if (source.kind !== 'kafka')
      return 'can be `exactly-once` only with a kafka source: its offsets are committed with the detections';
    if (!sinks.kafka.enabled)
      return 'can be `exactly-once` only with sinks.kafka: detections and offsets are committed together';
    const others = sinks.kafka.brokers.filter((broker) => !source.kafka.brokers.includes(broker));
    return others.length > 0
      ? `can be \`exactly-once\` only within one cluster: leave sinks.kafka.brokers out (not in source.kafka.brokers: ${others.join(', ')})`
      : undefined;
  },
};

export const detectorRules: readonly Rule<DetectorSettings>[] = [
  ...sourceRules,
  ...codecRules,
  ...recordRules,
  ...windowRules,
  ...modelRules,
  ...trainingRules,
  ...alarmRules,
  ...sinkRules,
  deliveryRule,
];

/** Fills in derived settings: an image is a window, and the source may derive defaults from the name of the detector. */
export function completeDetector(settings: DetectorSettings): DetectorSettings {
  const { source, detector, record, window } = settings;
  return {
    ...settings,
    source: completeSource(source, detector),
    record: { ...record, maxBytes: record.maxBytes === 0 ? defaultMaxBytes[record.kind] : record.maxBytes },
    window: record.kind === 'image' ? { ...window, length: 1 } : window,
  };
}

type SourceOf<K extends SourceKind> = Extract<DetectorSettings['source'], { kind: K }>;

/**
 * The source settings of a detector that must have this kind of source.
 * @throws Error if it has another kind of source
 */
export function sourceOf<K extends SourceKind>(
  { detector, source }: Pick<DetectorSettings, 'detector' | 'source'>,
  kind: K,
): SourceOf<K> {
  if (source.kind !== kind)
    throw new Error(`detector "${detector}" needs a ${kind} source (its source is ${source.kind})`);
  return source as SourceOf<K>;
}
