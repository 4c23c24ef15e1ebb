/** Turns the scores of a chunk into detections and events. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DriftWatch } from '../calibration/drift';
import type { SilenceScale } from '../calibration/gaps';
import type { Detection } from '../domain/detection';
import { noBar, type AnomalyEvent, type EventBar, type EventPolicy } from '../domain/event';
import type { ExplanationRule } from '../domain/explanations';
import type { Values } from '../domain/record';
import type { SilenceRules } from '../domain/silent-devices';
import type { CheckLimits, LimitViolation } from '../domain/signal';
import type { RawScores } from '../scoring/assessor';
import type { DetectionPower } from '../scoring/detection-power';
import type { Past } from '../past/past';
import type { Detector, Scores } from '../scoring/detector';
import type { MemoryOf } from '../scoring/memory';
import type { PartitionState } from '../state/partition';
import { buildDetection, isAnomalous, recordSurprise, recordThreshold, type Explanation } from './detection';
import type { Outcome } from './outcome';
import type { Chunk, DecodedMessages } from './windowing';

/** Rules by which records are decided on, besides scores and threshold. They change only between two batches. */
export interface RecordRules {
  /** Name of the rules; it differs if any setting that decides on records differs. */
  name: string;
  events: EventPolicy;
  limits: CheckLimits;
}

/** A model version in use. */
export interface ActiveDetector {
  detector: Detector;
  /** Surprise from which a record is anomalous. */
  threshold: number;
  /** If absent, each event opens. */
  eventBar?: EventBar;
  /** If absent, the rules that the pipeline and its states were created with. */
  rules?: RecordRules;
  /** Compares live scores with the calibration of this version. */
  drift?: DriftWatch;
  /** Surprise of silences; absent if the version contains no gaps. */
  silence?: SilenceScale | undefined;
  /** Set if the version scores only until a model of the configured kind is trained. */
  coldStart?: boolean;
  /** Detection power at the training of the version; absent if it was not measured. */
  power?: DetectionPower | undefined;
}

export interface DecisionRules {
  detectorName: string;
  /** Chooses the records to explain; if absent, no record is explained. */
  explanations?: ExplanationRule;
  /** No sink uses the detections of records that are not anomalous, so none is created. */
  anomaliesOnly: boolean;
  /** Receives each live record and event. */
  witness?: Witness;
}

/** Keeps the recent past for the web page; its methods return quickly. */
export interface Witness extends Pick<Past, 'observe'> {
  /** Returns the events to write, with the muted ones marked. */
  report(events: readonly AnomalyEvent[], channels: readonly string[]): readonly AnomalyEvent[];
}

const noLimits: readonly LimitViolation[] = [];

/**
 * Decides on the records of a chunk in their order: updates baselines, drift and events, and adds detections and events to
 * `outcome`.
 * @param raw scores of the windows of the chunk; undefined if it has none
 * @param now Unix ms, for the explanation budget
 */
export async function decideChunk(
  chunk: Chunk,
  raw: RawScores | undefined,
  { messages, records }: DecodedMessages,
  { detector, drift, threshold, eventBar = noBar, silence }: ActiveDetector,
  partition: PartitionState,
  { detectorName, explanations, anomaliesOnly, witness }: DecisionRules,
  outcome: Outcome,
  now: number,
): Promise<void> {
  const { warmUp } = chunk;
  const { counts } = outcome;
  const memoryOf: MemoryOf | undefined = partition.baselines && ((window) => chunk.memories[window]);
  const scores = raw && detector.applyCalibration(chunk.windows, raw, memoryOf);
  const silenceRules =
    silence && silenceRulesOf(detectorName, detector, silence, threshold + eventBar.margin);
  for (let at = 0; at < chunk.count; at++) {
    const key = chunk.keys[at]!;
    const timestamp = records.timestamps[chunk.rows[at]!]!;
    addEvents(partition.events.hear(key, timestamp, silenceRules, chunk.devices[at]));
    if (chunk.decided[at] === 0) continue;
    const window = chunk.places[at]!;
    const scored = window < 0 ? undefined : scores;
    const limits = chunk.limits.size === 0 ? noLimits : (chunk.limits.get(at) ?? noLimits);
    const surprise = recordSurprise(limits, scored, window);
    const raised = recordThreshold(threshold, scored, window);
    const anomalous = isAnomalous(limits, surprise, raised);
    const missing = missingChannels(records.values, chunk.rows[at]!, detector.state.channels);
    const lacksRecords = chunk.lacks[at] === 1;
    const lacksBaselines = scored !== undefined && chunk.lacksBaselines[at] === 1;
    let isDue = false;
    if (!warmUp) {
      if (scored !== undefined) {
        drift?.observe(key, scored.surprise[window]!);
        isDue = explanations?.isDue({ key, surprise, anomalous }, now) === true;
      }
      outcome.surprises[counts.scored++] = surprise;
      if (lacksRecords || lacksBaselines) counts.incomplete++;
      witness?.observe(
        {
          partition: messages[chunk.messages[at]!]!.origin.partition,
          key,
          timestamp,
          surprise,
          threshold: raised,
          aboveBaseline: surprise - (raised - threshold),
          anomalous,
          ...(anomalous && scored?.keepImage && { image: () => scored.keepImage!(window) }),
        },
        detector.state.channels,
        (into, from) => writeValues(scored, window, records, chunk.rows[at]!, into, from),
      );
    }
    if (!anomalous && (warmUp || anomaliesOnly)) {
      addEvents(partition.events.pass(key, timestamp, missing));
      settle(at, key);
      continue;
    }
    const detection = buildDetection({
      detector: detectorName,
      key,
      timestamp,
      origin: messages[chunk.messages[at]!]!.origin,
      targetThreshold: threshold,
      limits,
      scores: scored,
      window,
      explanation: isDue ? await explain(scored!, window, explanations!) : undefined,
      frame: records.frames?.get(chunk.rows[at]!),
      missing,
      incomplete: missingParts(lacksRecords, lacksBaselines),
      modelVersion: detector.version,
    });
    if (!warmUp) outcome.detections.push(detection);
    addEvents(partition.events.observe(detection, eventBar, () => scored?.markOf(window) ?? []));
    settle(at, key);
  }
  if (!warmUp) counts.unknownConditions += scores?.unknownConditions ?? 0;

  function settle(at: number, key: string): void {
    const channels = chunk.newNormals.get(at);
    if (channels !== undefined) addEvents(partition.events.settle(key, channels));
  }

  function addEvents(events: readonly AnomalyEvent[]): void {
    // The events of warm-up records were written when the records were first scored.
    if (warmUp || events.length === 0) return;
    outcome.events.push(...(witness?.report(events, detector.state.channels) ?? events));
  }
}

/** Writes the values of a record and the values that the model expects, which are NaN while the window is not full. */
function writeValues(
  scores: Scores | undefined,
  window: number,
  { values, capacity }: DecodedMessages['records'],
  row: number,
  into: Float32Array,
  at: number,
): void {
  if (scores !== undefined) {
    scores.writeValues(window, into, at);
    return;
  }
  const width = values.length / capacity;
  into.set(values.subarray(row * width, (row + 1) * width), at);
  into.fill(NaN, at + width, at + 2 * width);
}

/** @param threshold surprise from which a silence is an event */
export function silenceRulesOf(
  detectorName: string,
  { version }: Pick<Detector, 'version'>,
  silence: SilenceScale,
  threshold: number,
): SilenceRules {
  return {
    detector: detectorName,
    modelVersion: version,
    threshold,
    shortest: silence.lengthAt(threshold),
    surpriseAt: (length) => silence.surpriseAt(length),
  };
}

/** An explanation takes some milliseconds, so other work in the event loop runs first. */
async function explain(scores: Scores, window: number, rule: ExplanationRule): Promise<Explanation> {
  await nextTurn();
  const began = performance.now();
  const explanation = scores.explain(window);
  rule.spent(performance.now() - began);
  return explanation;
}

/** The channels without a value in row `row`; undefined if there are none. */
function missingChannels(
  values: Values,
  row: number,
  channels: readonly string[],
): readonly string[] | undefined {
  // No byte is missing.
  if (values instanceof Uint8Array) return undefined;
  let missing: string[] | undefined;
  for (let i = 0; i < channels.length; i++)
    if (Number.isNaN(values[row * channels.length + i]!)) (missing ??= []).push(channels[i]!);
  return missing;
}

function missingParts(records: boolean, baselines: boolean): Detection['incomplete'] {
  if (!records && !baselines) return undefined;
  return [...(records ? ['window' as const] : []), ...(baselines ? ['baselines' as const] : [])];
}
