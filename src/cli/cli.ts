/** The command line: its commands, and the output of their errors. */
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../errors';
import { errorChain } from '../system/error-text';
import { exitCodeMeanings, exitCodes, type CommandContext, type Register } from './context';
import { vaemonVersion } from './version';

/** Every command, in the order of the help. Each is loaded on use, as many need a tensor library and others do not. */
const commands: Readonly<Record<string, () => Promise<{ register: Register }>>> = {
  demo: () => import('./demo'),
  init: () => import('./init'),
  run: () => import('./run'),
  train: () => import('./train'),
  evaluate: () => import('./evaluate'),
  generate: () => import('./generate'),
  encode: () => import('./encode'),
  explain: () => import('./explain'),
  replay: () => import('./replay'),
  events: () => import('./events'),
  label: () => import('./label'),
  mute: () => import('./mute'),
  versions: () => import('./versions'),
  export: () => import('./export'),
  import: () => import('./import'),
  config: () => import('./config'),
  doctor: () => import('./doctor'),
  completion: () => import('./completion'),
  man: () => import('./man'),
};

/** Commands that describe all others, so they load all of them. */
const describing = ['completion', 'man'];

const examples = `
Examples:
  $ vaemon demo                                replay a recorded machine with known faults
  $ vaemon init --file records.csv             propose a detector for own records
  $ vaemon init --brokers localhost:9092 --topic plant.sensors
  $ vaemon init --prometheus http://localhost:9090 --query 'cpu=rate(process_cpu_seconds_total[1m])'
  $ kcat -C -b kafka -t plant -o beginning -e | vaemon run config/kafka -
  $ vaemon train config/kafka -d plant         train now, without a running daemon
  $ vaemon generate config/demo -n 100         synthetic windows from the current model
  $ vaemon explain config/demo -i 5000         why record 5000 is anomalous
  $ vaemon replay config/kafka --from 2026-03-01T12:00Z --what-if 'target=1 per day'
  $ vaemon events config/demo --follow         events of the running daemon, as they happen
  $ vaemon versions list config/demo           model versions: which is in use, which is pinned
  $ vaemon doctor                              which engine scores here, why, and how fast
  $ vaemon doctor config/kafka --create-topics look at brokers, topics, rights, servers and the store
  $ vaemon config check config/demo            every problem of every file, at once
  $ vaemon config print config/demo            all settings, including defaults
  $ vaemon config check config/demo --set window.length=20

Exit codes: ${exitCodeMeanings.map(([code, meaning]) => `${code} ${meaning}`).join(', ')}.
`;

/** The program with the given command; with all commands if there is none of that name. */
async function createProgram(name: string | undefined, context: CommandContext): Promise<Command> {
  const program = new Command('vaemon')
    .description('Anomaly detection on streams of records: variational autoencoders, calibrated alarms.')
    .version(vaemonVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help on a command')
    .addHelpText('after', examples)
    .showHelpAfterError('(--help lists the options)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  const named = name === undefined || describing.includes(name) ? undefined : commands[name];
  for (const load of named === undefined ? Object.values(commands) : [named])
    (await load()).register(program, context);
  refuseRepeats(program);
  return program;
}

/** Rejects an option that takes one value and is given twice: the first value would be lost. */
function refuseRepeats(command: Command): void {
  for (const option of command.options) {
    const collects = option.variadic || typeof option.defaultValue === 'object';
    if (collects || !(option.required || option.optional)) continue;
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) command.error(`error: option '${option.flags}' is given twice`);
      isGiven = true;
    });
  }
  command.commands.forEach(refuseRepeats);
}

/** Runs one command with the arguments after the name of the program. Errors become a message and an exit code. */
export async function runCli(argv: readonly string[], context: CommandContext): Promise<void> {
  try {
    const program = await createProgram(argv[0], context);
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    // Commander has printed its message already; help ends here as well, with code 0.
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0) context.setExitCode(exitCodes.usage);
      return;
    }
    const isConfig = error instanceof ConfigError;
    context.stderr.write(isConfig ? `${error.message}\n` : `vaemon: ${errorChain(error)}\n`);
    context.setExitCode(isConfig ? exitCodes.config : exitCodes.failure);
  }
}
