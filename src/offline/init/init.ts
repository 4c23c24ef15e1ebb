/** Proposes a detector for recorded data, and shows what its alarms would have cost. */
import { basename } from 'node:path';
import type { DetectorSettings } from '../../config/settings';
import { TrainingError } from '../../errors';
import { configuredSource } from '../../sources/configured';
import type { Message } from '../../sources/source';
import type { Logger } from '../../logger';
import { renderDetector, usualTarget, type DetectorFile, type Target } from './detector-file';
import { infer, UnusableSampleError, type Choices, type Proposal } from './inference/infer';
import { decodeSample, priceTargets, type DecodedSample, type Prices, type UnknownPrices } from './prices';
import { priceTable } from './report';
import { loadText } from './load-text';
import type { SampleOrigin } from './origin';
import type { RecordedSample } from './recorded-sample';
import { sampleFile } from './sample-file';
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
  /** Or why the sample is too small. */
  prices: Prices | UnknownPrices;
  /** The file with a target. */
  render(target: Target): string;
}

/** Share of the records of the sample on which the first model is trained. */
const historyShare = 0.7;
/** With more rejected records the proposal is wrong, or the file is. */
const maxRejected = 0.5;

/** Reads the sample; `propose` then makes a detector of it, again if a person decides otherwise. */
export async function openSample({ origin, maxRecords, name, env, log, now }: InitParts) {
  const recorded =
    origin.kind === 'file'
      ? await sampleFile(origin.path, maxRecords)
      : await sampleTopic(origin, { maxRecords, env, log });

  return {
    recorded,
    infer: (choices?: Choices): Proposal => infer(recorded.sample, choices),
    /**
     * @throws UnusableSampleError if a detector like this would reject most records
     * @throws ConfigError if the proposal is no valid configuration
     */
    async propose(proposal: Proposal, onTraining: () => void): Promise<ProposedDetector> {
      const historyRecords = Math.max(1, Math.floor(historyShare * recorded.read));
      const file = { name, origin, recorded, proposal, historyRecords };
      const settings = await loadText(renderDetector({ ...file, target: usualTarget, priceLines: [] }), env);
      const decoded = await decodeSample(
        settings,
        recorded.messages ?? (await readMessages(settings, recorded, log)),
        now(),
      );
      checkDecoded(decoded);
      onTraining();
      const prices = await priceOrProblem(settings, decoded, {
        isTimed: proposal.time.field !== undefined,
        share: recorded.share,
      });
      const priceLines =
        'problem' in prices ? [`Alarms could not be estimated: ${prices.problem}.`] : priceTable(prices);
      const complete: Omit<DetectorFile, 'target'> = { ...file, priceLines };
      return {
        name,
        recorded,
        proposal,
        decoded,
        prices,
        render: (target) => renderDetector({ ...complete, target }),
      };
    },
  };
}

async function priceOrProblem(
  settings: DetectorSettings,
  { messages }: DecodedSample,
  facts: Parameters<typeof priceTargets>[2],
): Promise<Prices | UnknownPrices> {
  try {
    return await priceTargets(settings, messages, facts);
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    return { problem: error.message };
  }
}

/** The messages of the sample, by the source of the proposed detector. */
async function readMessages(
  settings: DetectorSettings,
  { read: rows }: RecordedSample,
  log: Logger,
): Promise<Message[]> {
  const context = {
    log,
    folder: '',
    records: rows,
    timestampUnit: settings.fields.timestampUnit,
    timeZone: settings.fields.timeZone,
  };
  const read = await configuredSource(settings.source).createHistory(context);
  const messages: Message[] = [];
  for await (const chunk of read({ from: undefined, to: undefined, maxRecords: rows }))
    messages.push(...chunk);
  return messages;
}

function checkDecoded({ messages, rejected, rejectedRecords }: DecodedSample): void {
  if (rejectedRecords <= maxRejected * (messages.length + rejectedRecords)) return;
  const [reason, { records, example }] = Object.entries(rejected).sort(
    (a, b) => b[1].records - a[1].records,
  )[0]!;
  throw new UnusableSampleError(
    `${rejectedRecords} of ${messages.length + rejectedRecords} records would be rejected, ${records} of them as ${reason}: ${example}`,
  );
}

/** A valid name from that of the file or topic. */
export function detectorName(origin: SampleOrigin): string {
  const name = (origin.kind === 'file' ? basename(origin.path) : origin.topic)
    .replace(/(\.(csv|ndjson|jsonl|gz|train|test))+$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 63);
  return name === '' ? 'detector' : name;
}
