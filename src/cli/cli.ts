/** The command line: which commands there are, and what their errors look like. */
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../errors';
import { errorChain } from '../system/error-text';
import * as config from './config';
import * as encode from './encode';
import * as exportCommand from './export';
import * as generate from './generate';
import * as importCommand from './import';
import { exitCodes, type CommandContext, type Register } from './context';
import * as doctor from './doctor';
import * as evaluate from './evaluate';
import * as explain from './explain';
import * as replay from './replay';
import * as run from './run';
import * as train from './train';
import { vaemonVersion } from './version';

/** Every command, in the order of the help. */
const commands: readonly Register[] = [
  run.register,
  train.register,
  evaluate.register,
  generate.register,
  encode.register,
  explain.register,
  replay.register,
  exportCommand.register,
  importCommand.register,
  config.register,
  doctor.register,
];

const examples = `
Examples:
  $ vaemon run config/demo                     replay a recorded machine with known faults
  $ vaemon train config/kafka -d plant         train now, without a running daemon
  $ vaemon generate config/demo -n 100         synthetic windows from the current model
  $ vaemon explain config/demo -i 5000         why record 5000 is anomalous
  $ vaemon replay config/kafka --from 2026-03-01T12:00Z --what-if 'target=1 per day'
  $ vaemon doctor                              which engine scores here, why, and how fast
  $ vaemon config check config/demo            every problem of every file, at once
  $ vaemon config print config/demo            all settings, including defaults
  $ vaemon config check config/demo --set window.length=20

Exit codes: 0 done, 1 failed, 64 wrong usage, 78 wrong configuration.
`;

function createProgram(context: CommandContext): Command {
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
  for (const register of commands) register(program, context);
  return program;
}

/** Runs one command, given the arguments after the program's name. Errors become a message and an exit code; never rejects. */
export async function runCli(argv: readonly string[], context: CommandContext): Promise<void> {
  try {
    await createProgram(context).parseAsync(argv, { from: 'user' });
  } catch (error) {
    // Commander has written its message by now; asking for help arrives here as well, with code 0.
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0) context.setExitCode(exitCodes.usage);
      return;
    }
    const isConfig = error instanceof ConfigError;
    context.stderr.write(isConfig ? `${error.message}\n` : `vaemon: ${errorChain(error)}\n`);
    context.setExitCode(isConfig ? exitCodes.config : exitCodes.failure);
  }
}
