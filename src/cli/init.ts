/** `vaemon init`: reads recorded data, proposes a detector, and shows how many alarms it would have raised. */
import { access, writeFile } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import { createLogger } from '../logger';
import { describeFolder, isFolder, lookAtFolder, proposeImages } from '../offline/init/images';
import {
  detectorName,
  openSample,
  UnusableSampleError,
  type InitParts,
  type ProposedDetector,
} from '../offline/init/init';
import { doubtsOf, usualTarget, type Target } from '../offline/init/detector-file';
import type { Choices, Proposal } from '../offline/init/inference/infer';
import { pathText, nameOf } from '../offline/init/inference/sample';
import { selectorsOf } from '../offline/init/inference/selectors';
import { titleOf, type SampleOrigin } from '../offline/init/origin';
import type { RecordedSample, SeriesChoice } from '../offline/init/recorded-sample';
import type { NamedQuery } from '../sources/prometheus/client';
import { describePrices, describeProposal } from '../offline/init/report';
import { printable } from '../system/printable';
import { exitCodes, type CommandContext, type Register } from './context';
import { jsonText, setOption, wholeFrom } from './options';

interface Options {
  file?: string;
  brokers?: string;
  topic?: string;
  registry?: string;
  prometheus?: string;
  query: readonly NamedQuery[];
  set: Record<string, string>;
  out?: string;
  name?: string;
  sample: number;
  yes?: boolean;
  json?: boolean;
}

export const register: Register = (program, context) => {
  program
    .command('init')
    .description(
      'look at a file, a topic or a Prometheus, propose a detector, and show how many alarms it would have given',
    )
    .option('--file <path>', 'CSV or NDJSON file, also .gz, or folder of PNG and JPEG images')
    .option('--brokers <host:port,…>', 'Kafka brokers of --topic')
    .option('--topic <topic>', 'Kafka topic')
    .option('--registry <url>', 'schema registry of the topic')
    .option('--prometheus <url>', 'Prometheus, or a server with its API')
    .addOption(queryOption())
    .addOption(setOption())
    .option('--out <file>', 'file to write (default: NAME.yaml)')
    .option('--name <name>', 'name of the detector (default: that of the file or topic)')
    .option('--sample <n>', 'number of records to look at', wholeFrom(100), 200_000)
    .option('-y, --yes', 'ask nothing')
    .option('--json', 'ask nothing, and print the result as JSON')
    .action(async (options: Options) => {
      const origin = originOf(options);
      try {
        await propose(origin, options, context);
      } catch (error) {
        if (!(error instanceof UnusableSampleError)) throw error;
        context.stderr.write(
          `vaemon: ${printable(`${titleOf(origin)}: ${error.message}`)}; nothing is written\n`,
        );
        context.setExitCode(exitCodes.failure);
      }
    });
};

function queryOption(): Option {
  return new Option('-q, --query <name=promql>', 'query of --prometheus; repeatable, one for each channel')
    .argParser((text: string, before: readonly NamedQuery[]) => {
      const query = namedQuery(text);
      if (before.some(({ name }) => name === query.name))
        throw new InvalidArgumentError(`Two queries have the name "${query.name}": write NAME=PROMQL.`);
      return [...before, query];
    })
    .default([], 'none');
}

/** Without a name, the query gets that of its first metric. No expression begins with a name and a single `=`. */
function namedQuery(text: string): NamedQuery {
  const { given, query = text } =
    /^\s*(?<given>[A-Za-z_][\w-]*)\s*=(?![=~])(?<query>.*)$/s.exec(text)?.groups ?? {};
  if (query.trim() === '') throw new InvalidArgumentError('Expected NAME=PROMQL.');
  const metric = /^[A-Za-z_:][\w:]*/.exec(selectorsOf(query)[0] ?? '')?.[0];
  return { name: given ?? metric ?? 'value', text: query.trim() };
}

/** @throws Error with the options that are missing or cannot be combined */
function originOf({ file, brokers, topic, registry = '', prometheus, query, set }: Options): SampleOrigin {
  if ([file, topic, prometheus].filter((one) => one !== undefined).length !== 1)
    throw new Error('name one of --file, --topic and --prometheus');
  if (topic === undefined && (brokers !== undefined || registry !== ''))
    throw new Error('--brokers and --registry belong to --topic');
  if (prometheus === undefined && query.length > 0) throw new Error('--query belongs to --prometheus');
  if (file !== undefined) {
    if (Object.keys(set).length > 0) throw new Error('--set belongs to --topic and --prometheus');
    return { kind: 'file', path: file };
  }
  if (prometheus !== undefined) {
    if (!URL.canParse(prometheus) || !/^https?:/.test(prometheus))
      throw new Error(`--prometheus must be a URL that begins with http:// or https:// (got ${prometheus})`);
    if (query.length === 0)
      throw new Error(
        "give at least one query with --query, such as --query 'memory=process_resident_memory_bytes'",
      );
    return {
      kind: 'prometheus',
      url: prometheus,
      queries: query,
      connection: keysOf(set, 'source.prometheus.'),
    };
  }
  if (brokers === undefined) throw new Error('name the brokers of the topic with --brokers');
  return {
    kind: 'kafka',
    brokers: listOf(brokers),
    topic: topic!,
    registry,
    connection: keysOf(set, 'source.kafka.'),
  };
}

/** Keys without their prefix. @throws Error with the name of a key of another section */
function keysOf(set: Options['set'], prefix: string): Record<string, string> {
  const other = Object.keys(set).find((key) => !key.startsWith(prefix));
  if (other !== undefined)
    throw new Error(`--set ${other}: only keys of ${prefix.slice(0, -1)} can be set here`);
  return Object.fromEntries(Object.entries(set).map(([key, value]) => [key.slice(prefix.length), value]));
}

/** A proposal for any kind of source, which is shown, asked about and written in the same way. */
interface Proposed extends Pick<ProposedDetector, 'decoded' | 'prices' | 'render'> {
  usual: Target;
  /** The commands to run next, without `vaemon`. */
  next: (out: string) => readonly string[];
  /** The output with `--json`. */
  result: object;
}

interface Conversation {
  print: (text: string) => void;
  /** Undefined if no questions are asked. */
  ask: Ask | undefined;
  parts: Omit<InitParts, 'origin'>;
}

async function propose(origin: SampleOrigin, options: Options, context: CommandContext): Promise<void> {
  const { env, stdout, stderr } = context;
  const { json = false, yes = false } = options;
  const ask = json || yes || context.ask === undefined ? undefined : askPrintably(context.ask);
  const name = options.name ?? detectorName(origin);
  const out = options.out ?? `${name}.yaml`;
  await refuseExisting(out);
  const log = createLogger({ level: 'warn', format: 'text', stream: stderr });
  const print = (text: string): void => {
    if (!json) stdout.write(text);
  };
  const conversation: Conversation = {
    print,
    ask,
    parts: { maxRecords: options.sample, name, env, log, now: Date.now },
  };
  const isImages = origin.kind === 'file' && (await isFolder(origin.path));
  const proposed = await (isImages
    ? proposeFromImages(origin.path, conversation)
    : proposeFromRecords(origin, conversation));
  const { decoded, prices } = proposed;
  print(describePrices(decoded, prices));
  const target = ask === undefined ? proposed.usual : await askTarget(proposed, ask);
  await refuseExisting(out);
  await writeFile(out, proposed.render(target), { flag: 'wx' });
  const result = {
    source: origin,
    written: out,
    ...proposed.result,
    rejected: decoded.rejected,
    target,
    prices,
  };
  if (json) stdout.write(jsonText(result));
  const next = proposed.next(out).map((command) => `  vaemon ${printable(command)}\n`);
  print(`\nWrote ${out}. Next:\n${next.join('')}`);
}

async function proposeFromImages(path: string, { print, parts }: Conversation): Promise<Proposed> {
  const folder = await lookAtFolder(path, parts.maxRecords);
  print(describeFolder(folder));
  return {
    ...(await proposeImages(folder, { ...parts, onTraining: () => print(trainingText) })),
    next: (out) => [`train ${out}`, `explain ${out} ${path} -i 0 --heat-map heat.png`, `run ${out}`],
    result: { images: folder },
  };
}

async function proposeFromRecords(
  origin: SampleOrigin,
  { print, ask, parts }: Conversation,
): Promise<Proposed> {
  const open = (from: SampleOrigin) => openSample({ origin: from, ...parts });
  let sample = await open(origin);
  let proposal = sample.infer();
  const describe = () => print(describeProposal(origin, sample.recorded, proposal));
  describe();
  if (ask !== undefined) {
    if (origin.kind === 'prometheus') {
      const keyLabels = await askLabels(sample.recorded.series!, ask);
      if (keyLabels !== undefined) {
        sample = await open({ ...origin, connection: { ...origin.connection, keyLabels } });
        proposal = sample.infer();
        describe();
      }
    }
    const choices = await askChoices(proposal, { ask, asksKey: origin.kind !== 'prometheus' });
    if (Object.keys(choices).length > 0) {
      proposal = sample.infer(choices);
      describe();
    }
  }
  const proposed = await sample.propose(proposal, () => print(trainingText));
  return {
    ...proposed,
    usual: usualTarget,
    next: (out) => nextCommands(out, sample.recorded),
    result: resultOf(proposed),
  };
}

const trainingText = '\nTraining a model on the sample …\n';

function nextCommands(out: string, { missingTopics = [] }: RecordedSample): string[] {
  const missing =
    missingTopics.length === 0 ? '' : ` --create-topics   # creates ${missingTopics.join(', ')}`;
  return [`doctor ${out}${missing}`, `run ${out}`];
}

type Ask = NonNullable<CommandContext['ask']>;

/** Questions contain names of fields, which are untrusted text. */
const askPrintably =
  (ask: Ask): Ask =>
  (question) =>
    ask(printable(question));

/** An empty answer accepts the proposal. */
async function askChoices(
  { device, channels, conditions }: Proposal,
  { ask, asksKey }: { ask: Ask; asksKey: boolean },
): Promise<Choices> {
  const choices: Choices = {};
  if (asksKey) Object.assign(choices, await askKey(device, ask));
  const given = conditions.map(({ path }) => pathText(path));
  const wanted = await ask(`Conditions on which normal values depend [${given.join(', ') || 'none'}]: `);
  if (wanted !== '') choices.conditions = wanted === 'none' ? [] : listOf(wanted);
  const without = await ask(`Channels to leave out, of ${shorten(channels.map(nameOf))} [none]: `);
  if (without !== '' && without !== 'none') choices.without = listOf(without);
  return choices;
}

async function askKey(device: Proposal['device'], ask: Ask): Promise<Choices> {
  const current = device.column === undefined ? 'none' : pathText(device.column.path);
  const others = device.candidates.map(({ path }) => pathText(path)).filter((field) => field !== current);
  const key = await ask(
    `Field of the device [${current}]${others.length === 0 ? '' : ` (or ${others.slice(0, 4).join(', ')}, none)`}: `,
  );
  if (key === '' || key === current) return {};
  return { key: key === 'none' ? '' : key };
}

/** Labels from text with commas, if they differ from the proposed ones; otherwise undefined. */
async function askLabels({ keyLabels, candidates }: SeriesChoice, ask: Ask): Promise<string | undefined> {
  const current = keyLabels.join(', ') || 'none';
  const others = candidates.length === 0 ? '' : ` (or ${candidates.slice(0, 4).join(', ')}, none)`;
  const answer = listOf(await ask(`Labels of the device [${current}]${others}: `)).join(',');
  if (answer === '' || answer === keyLabels.join(',')) return undefined;
  return answer === 'none' ? '' : answer;
}

const shorten = (names: readonly string[]): string =>
  names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ');

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

async function askTarget({ prices, usual }: Proposed, ask: Ask): Promise<Target> {
  if ('problem' in prices) return usual;
  for (;;) {
    const answer = await ask(`Target, 1 to ${prices.prices.length} [1]: `);
    const chosen = prices.prices[answer === '' ? 0 : Number(answer) - 1];
    if (chosen !== undefined) return { falseAlarmTarget: chosen.falseAlarmTarget, budget: chosen.budget };
  }
}

/** @throws Error if the file exists */
async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) throw new Error(`${path} exists, and is left as it is: name another file with --out`);
}

function resultOf({ recorded, proposal }: ProposedDetector) {
  const { time, device, channels, valuesPath, conditions, conditionsPath, cadence } = proposal;
  return {
    format: recorded.format,
    records: proposal.records,
    isWhole: !recorded.isMore,
    time:
      time.field === undefined
        ? null
        : { field: pathText(time.field.column.path), format: time.field.format },
    device: {
      field: device.column === undefined ? null : pathText(device.column.path),
      devices: device.devices,
    },
    channels: { in: pathText(valuesPath), names: channels.map(nameOf) },
    conditions: { in: pathText(conditionsPath), names: conditions.map(nameOf) },
    counters: proposal.counters,
    constant: proposal.constant,
    incomplete: proposal.incomplete,
    cadence,
    unused: proposal.unused,
    doubts: doubtsOf({ recorded, proposal }),
    ...(recorded.series && { series: recorded.series }),
    notes: recorded.notes,
  };
}
