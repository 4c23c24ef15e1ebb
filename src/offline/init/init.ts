/** Proposes a detector for recorded data, and estimates the alarms that it would have raised. */
import { basename } from 'node:path';
import type { Logger } from '../../logger';
import { conditionNames, historyShare, renderDetector, usualTarget, type Target } from './detector-file';
import { infer, type Choices, type Proposal } from './inference/infer';
import { UnusableSampleError } from './inference/unusable';
import {
  decodeSample,
  priceOrProblem,
  refuseRejected,
  type DecodedSample,
  type Prices,
  type UnknownPrices,
} from './prices';
import { priceLines } from './report';
import { loadText } from './load-text';
import { readMessages } from './read-messages';
import type { SampleOrigin } from './origin';
import type { RecordedSample } from './recorded-sample';
import { sampleFile } from './sample-file';
import { samplePrometheus, withConditions } from './sample-prometheus';
import { sampleTopic } from './sample-topic';

export { UnusableSampleError };

export interface InitParts {
  origin: SampleOrigin;
  maxRecords: number;
  /** Name of the detector. */
  name: string;
  env: Readonly<Record<string, string | undefined>>;
  log: Logger;
  now: () => number;
}

export interface ProposedDetector {
  name: string;
  recorded: RecordedSample;
  proposal: Proposal;
  decoded: DecodedSample;
  /** Estimated alarms of each target, or the reason why the sample is too small for them. */
  prices: Prices | UnknownPrices;
  /** The text of the detector file, with this target. */
  render(target: Target): string;
}

/** Reads the sample. `propose` then derives a detector from it, and can be called again with other decisions of a person. */
export async function openSample({ origin, maxRecords, name, env, log, now }: InitParts) {
  const recorded = await readSample();

  function readSample(): Promise<RecordedSample> {
    if (origin.kind === 'file') return sampleFile(origin.path, maxRecords);
    return origin.kind === 'kafka'
      ? sampleTopic(origin, { maxRecords, env, log })
      : samplePrometheus(origin, { maxRecords, env, now });
  }

  return {
    recorded,
    infer: (choices?: Choices): Proposal => infer(recorded.sample, choices),
    /**
     * @throws UnusableSampleError if such a detector would reject most records
     * @throws ConfigError if the proposal is no valid configuration
     */
    async propose(proposal: Proposal, onTraining: () => void): Promise<ProposedDetector> {
      const historyRecords = Math.max(1, Math.floor(historyShare * recorded.read));
      const file = { name, origin, recorded, proposal, historyRecords };
      const settings = await loadText(renderDetector({ ...file, target: usualTarget, priceLines: [] }), env);
      const messages = recorded.messages ?? (await readMessages(settings, recorded.read, log));
      const decoded = await decodeSample(
        settings,
        recorded.series === undefined ? messages : withConditions(messages, conditionNames(proposal)),
        now(),
      );
      refuseRejected(decoded);
      onTraining();
      const prices = await priceOrProblem(settings, decoded.messages, {
        isTimed: proposal.time.field !== undefined,
        share: recorded.share,
      });
      return {
        name,
        recorded,
        proposal,
        decoded,
        prices,
        render: (target) => renderDetector({ ...file, target, priceLines: priceLines(prices) }),
      };
    },
  };
}

function nameOfOrigin(origin: SampleOrigin): string {
  if (origin.kind === 'file') return basename(origin.path);
  return origin.kind === 'kafka' ? origin.topic : origin.queries.map(({ name }) => name).join('-');
}

/** A valid name, derived from the file or topic. */
export function detectorName(origin: SampleOrigin): string {
  const name = nameOfOrigin(origin)
    .replace(/(\.(csv|ndjson|jsonl|gz|train|test))+$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 63);
  return name === '' ? 'detector' : name;
}
