/** Proposes a detector for recorded data, and shows what its alarms would have cost. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { loadSettings } from '../../config/load';
import type { DetectorSettings } from '../../config/settings';
import { TrainingError } from '../../errors';
import { configuredSource } from '../../sources/configured';
import type { Message } from '../../sources/source';
import type { Logger } from '../../logger';
import { renderDetector, usualTarget, type DetectorFile, type Target } from './detector-file';
import { infer, UnusableSampleError, type Choices, type Proposal } from './inference/infer';
import { decodeSample, priceTargets, type DecodedSample, type Prices, type UnknownPrices } from './prices';
import { priceTable } from './report';
import { sampleFile, type RecordedSample } from './sample-file';

export { UnusableSampleError };

export interface InitParts {
  path: string;
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
export async function openSample({ path, maxRecords, name, env, log, now }: InitParts) {
  const recorded = await sampleFile(path, maxRecords);

  return {
    recorded,
    infer: (choices?: Choices): Proposal => infer(recorded.sample, choices),
    /**
     * @throws UnusableSampleError if a detector like this would reject most records
     * @throws ConfigError if the proposal is no valid configuration
     */
    async propose(proposal: Proposal, onTraining: () => void): Promise<ProposedDetector> {
      const historyRecords = Math.max(1, Math.floor(historyShare * recorded.read));
      const file = { name, path, format: recorded.format, proposal, historyRecords };
      const settings = await settingsOf(
        renderDetector({ ...file, target: usualTarget, priceLines: [] }),
        env,
      );
      const decoded = await decodeSample(settings, await readMessages(settings, recorded, log), now());
      checkDecoded(decoded);
      onTraining();
      const prices = await priceOrProblem(settings, decoded, proposal.time.field !== undefined);
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
  isTimed: boolean,
): Promise<Prices | UnknownPrices> {
  try {
    return await priceTargets(settings, messages, isTimed);
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    return { problem: error.message };
  }
}

/** The settings of a proposed file, checked as `vaemon config check` does. */
async function settingsOf(text: string, env: InitParts['env']): Promise<DetectorSettings> {
  const folder = await mkdtemp(join(tmpdir(), 'vaemon-init-'));
  try {
    const path = join(folder, 'proposal.yaml');
    await writeFile(path, text);
    return (await loadSettings(path, { env })).detectors[0]!.settings;
  } finally {
    await rm(folder, { recursive: true, force: true });
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

/** A valid name from that of the file. */
export function detectorName(path: string): string {
  const name = basename(path)
    .replace(/(\.(csv|ndjson|jsonl|gz|train|test))+$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 63);
  return name === '' ? 'detector' : name;
}
