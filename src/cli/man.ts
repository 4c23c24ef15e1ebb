/** `vaemon man`: the manual page, generated from the help of all commands. */
import { describeCommands, type CommandDescription } from './command-tree';
import { exitCodeMeanings, type Register } from './context';
import { vaemonVersion } from './version';

export const register: Register = (program, { stdout }) => {
  program
    .command('man')
    .description('print the manual page: vaemon man | man -l -')
    .action(() => void stdout.write(manualPage(describeCommands(program), vaemonVersion())));
};

/** Characters with a meaning in roff. */
const special: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '"': '\\(dq',
};

/** Text for roff in ASCII, with all special characters escaped. */
function plain(text: string): string {
  return text
    .replaceAll(/[\\\-'`"]/g, (sign) => special[sign]!)
    .replaceAll(
      /[^\x20-\x7e]/g,
      (sign) => `\\[u${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replace(/^\./, '\\&.');
}

function entry(term: string, text: string): string {
  return `.TP\n.B ${plain(term)}\n${plain(text)}`;
}

function section({ path, description, usage, arguments: args, options }: CommandDescription): string {
  return [
    `.SS ${plain(path.join(' '))}`,
    plain(description),
    '.PP',
    `.B ${plain(usage)}`,
    ...args.map(({ name, description: text }) => entry(name, text)),
    ...options
      .filter(({ names }) => !names.includes('--help'))
      .map(({ flags, description: text }) => entry(flags, text)),
  ].join('\n');
}

function manualPage([program, ...commands]: CommandDescription[], version: string): string {
  return `${[
    `.TH VAEMON 1 "" "vaemon ${version}" "User Commands"`,
    '.SH NAME',
    `vaemon \\- ${plain(program!.description)}`,
    '.SH SYNOPSIS',
    `.B ${plain(program!.usage)}`,
    '.SH OPTIONS',
    ...program!.options.map(({ flags, description }) => entry(flags, description)),
    '.SH COMMANDS',
    'Each command also has',
    '.BR \\-h , \\~\\-\\-help .',
    ...commands.map(section),
    '.SH EXIT STATUS',
    ...exitCodeMeanings.map(([code, meaning]) => entry(String(code), meaning)),
    '.SH FILES',
    entry(
      'daemon.yaml, detectors/*.yaml',
      'The configuration, in a folder. docs/configuration.md lists every key and its variable.',
    ),
  ].join('\n')}\n`;
}
