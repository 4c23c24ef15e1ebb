/** `vaemon init`: looks at recorded data, proposes a detector, and shows how many alarms it would have given. */
import { access, writeFile } from 'node:fs/promises';
import { createLogger } from '../logger';
import { detectorName, openSample, UnusableSampleError, type ProposedDetector } from '../offline/init/init';
import { usualTarget, type Target } from '../offline/init/detector-file';
import type { Choices, Proposal } from '../offline/init/inference/infer';
import { pathText, nameOf } from '../offline/init/inference/sample';
import { titleOf, type SampleOrigin } from '../offline/init/origin';
import { describePrices, describeProposal } from '../offline/init/report';
import { printable } from '../system/printable';
import { exitCodes, type CommandContext, type Register } from './context';
import { jsonText, setOption, wholeFrom } from './options';

interface Options {
  file?: string;
  brokers?: string;
  topic?: string;
  registry?: string;
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
      'look at a file or a topic, propose a detector, and show how many alarms it would have given',
    )
    .option('--file <path>', 'CSV or NDJSON file, also .gz')
    .option('--brokers <host:port,…>', 'Kafka brokers of --topic')
    .option('--topic <topic>', 'Kafka topic')
    .option('--registry <url>', 'schema registry of the topic')
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

/** @throws Error naming the options that are missing or do not fit together */
function originOf({ file, brokers, topic, registry = '', set }: Options): SampleOrigin {
  if ((file === undefined) === (topic === undefined)) throw new Error('name either --file or --topic');
  if (file !== undefined) {
    if (brokers !== undefined || registry !== '' || Object.keys(set).length > 0)
      throw new Error('--brokers, --registry and --set belong to --topic');
    return { kind: 'file', path: file };
  }
  if (brokers === undefined) throw new Error('name the brokers of the topic with --brokers');
  const prefix = 'source.kafka.';
  const other = Object.keys(set).find((key) => !key.startsWith(prefix));
  if (other !== undefined) throw new Error(`--set ${other}: only keys of source.kafka can be set here`);
  const connection = Object.entries(set).map(([key, value]) => [key.slice(prefix.length), value] as const);
  return {
    kind: 'kafka',
    brokers: listOf(brokers),
    topic: topic!,
    registry,
    connection: Object.fromEntries(connection),
  };
}

async function propose(origin: SampleOrigin, options: Options, context: CommandContext): Promise<void> {
  const { env, stdout, stderr } = context;
  const { json = false, yes = false } = options;
  const ask = json || yes || context.ask === undefined ? undefined : askPrintably(context.ask);
  const name = options.name ?? detectorName(origin);
  const out = options.out ?? `${name}.yaml`;
  await refuseExisting(out);
  const log = createLogger({ level: 'warn', format: 'text', stream: stderr });
  const sample = await openSample({
    origin,
    maxRecords: options.sample,
    name,
    env,
    log,
    now: Date.now,
  });
  const print = (text: string): void => {
    if (!json) stdout.write(text);
  };

  let proposal = sample.infer();
  print(describeProposal(origin, sample.recorded, proposal));
  if (ask !== undefined) {
    const choices = await askChoices(proposal, ask);
    if (Object.keys(choices).length > 0) {
      proposal = sample.infer(choices);
      print(describeProposal(origin, sample.recorded, proposal));
    }
  }
  const proposed = await sample.propose(proposal, () => print('\nTraining a model on the sample …\n'));
  print(describePrices(proposed.decoded, proposed.prices));
  const target = ask === undefined ? usualTarget : await askTarget(proposed, ask);
  await refuseExisting(out);
  await writeFile(out, proposed.render(target), { flag: 'wx' });
  if (json) stdout.write(jsonText(resultOf(origin, out, target, proposed)));
  else print(`\nWrote ${out}. Next:\n  vaemon config check ${out}\n  vaemon run ${out}\n`);
}

type Ask = NonNullable<CommandContext['ask']>;

/** Names of fields are text from outside. */
const askPrintably =
  (ask: Ask): Ask =>
  (question) =>
    ask(printable(question));

/** An empty answer accepts the proposal. */
async function askChoices({ device, channels, conditions }: Proposal, ask: Ask): Promise<Choices> {
  const choices: Choices = {};
  const current = device.column === undefined ? 'none' : pathText(device.column.path);
  const others = device.candidates.map(({ path }) => pathText(path)).filter((field) => field !== current);
  const key = await ask(
    `Field of the device [${current}]${others.length === 0 ? '' : ` (or ${others.slice(0, 4).join(', ')}, none)`}: `,
  );
  if (key !== '' && key !== current) choices.key = key === 'none' ? '' : key;
  const given = conditions.map(({ path }) => pathText(path));
  const wanted = await ask(`Conditions on which normal values depend [${given.join(', ') || 'none'}]: `);
  if (wanted !== '') choices.conditions = wanted === 'none' ? [] : listOf(wanted);
  const without = await ask(`Channels to leave out, of ${shorten(channels.map(nameOf))} [none]: `);
  if (without !== '' && without !== 'none') choices.without = listOf(without);
  return choices;
}

const shorten = (names: readonly string[]): string =>
  names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ');

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

async function askTarget({ prices }: ProposedDetector, ask: Ask): Promise<Target> {
  if ('problem' in prices) return usualTarget;
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

function resultOf(
  origin: SampleOrigin,
  out: string,
  target: Target,
  { recorded, proposal, decoded, prices }: ProposedDetector,
) {
  const { time, device, channels, valuesPath, conditions, conditionsPath, cadence } = proposal;
  return {
    source: origin,
    written: out,
    format: recorded.format,
    records: proposal.records,
    isWhole: !recorded.isMore,
    time:
      time.field === undefined ? null : { field: pathText(time.field.column.path), unit: time.field.unit },
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
    doubts: proposal.doubts,
    notes: recorded.notes,
    rejected: decoded.rejected,
    target,
    prices,
  };
}
