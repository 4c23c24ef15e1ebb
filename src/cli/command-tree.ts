/** The commands of the program as data, for completion and for the manual page. */
import type { Command, Option } from 'commander';

export interface CommandDescription {
  /** Names from the program to the command, without the name of the program. */
  path: readonly string[];
  description: string;
  usage: string;
  arguments: readonly { name: string; description: string; choices: readonly string[]; isFile: boolean }[];
  options: readonly OptionDescription[];
}

export interface OptionDescription {
  /** As in the help, such as `-s, --set <key=value>`. */
  flags: string;
  /** All names; the first is `--long` if there is such a name. */
  names: readonly string[];
  description: string;
  /** `none`: the option takes no value. */
  value: 'none' | 'file' | 'other';
  choices: readonly string[];
}

const files = /^(path|file|folder)$/;

/** The program and every command below it; a command precedes its own subcommands. */
export function describeCommands(program: Command): CommandDescription[] {
  return describe(program, []);
}

function describe(command: Command, path: readonly string[]): CommandDescription[] {
  const help = command.createHelp();
  const own: CommandDescription = {
    path,
    description: command.description(),
    usage: help.commandUsage(command),
    arguments: command.registeredArguments.map((argument) => ({
      name: help.argumentTerm(argument),
      description: help.argumentDescription(argument),
      choices: argument.argChoices ?? [],
      isFile: files.test(argument.name()),
    })),
    options: help.visibleOptions(command).map((option) => ({
      flags: help.optionTerm(option),
      names: [option.long, option.short].filter((name) => name !== undefined),
      description: help.optionDescription(option),
      value: valueOf(option),
      choices: option.argChoices ?? [],
    })),
  };
  const below = help.visibleCommands(command).filter((one) => one.name() !== 'help');
  return [own, ...below.flatMap((one) => describe(one, [...path, one.name()]))];
}

function valueOf({ required, optional, flags }: Option): OptionDescription['value'] {
  if (!required && !optional) return 'none';
  return files.test(/[<[](\w+)(\.\.\.)?[>\]]$/.exec(flags)?.[1] ?? '') ? 'file' : 'other';
}
