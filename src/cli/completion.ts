/** `vaemon completion`: shell completion of commands, options and files, generated from the commands. */
import { Argument } from 'commander';
import { describeCommands, type CommandDescription, type OptionDescription } from './command-tree';
import type { Register } from './context';

const shells = { bash, zsh, fish };

export const register: Register = (program, { stdout }) => {
  program
    .command('completion')
    .description('print the completion for a shell: source <(vaemon completion bash)')
    .addArgument(new Argument('<shell>', 'shell').choices(Object.keys(shells)))
    .action((shell: keyof typeof shells) => void stdout.write(shells[shell](describeCommands(program))));
};

/** `' versions list'` for the command `versions list`: the words as the scripts collect them. */
function placeOf({ path }: CommandDescription): string {
  return path.map((word) => ` ${word}`).join('');
}

/** Words that may follow: commands, or choices of arguments. */
function wordsAfter(
  command: CommandDescription,
  all: readonly CommandDescription[],
): [word: string, text: string][] {
  const below = all.filter(
    ({ path }) =>
      path.length === command.path.length + 1 && command.path.every((word, i) => path[i] === word),
  );
  const choices = command.arguments.flatMap(({ choices: words, description }) =>
    words.map((word): [string, string] => [word, description]),
  );
  return [...below.map(({ path, description }): [string, string] => [path.at(-1)!, description]), ...choices];
}

function takesFiles({ arguments: all }: CommandDescription): boolean {
  return all.some(({ isFile }) => isFile);
}

function withValue({ options }: CommandDescription): OptionDescription[] {
  return options.filter(({ value }) => value !== 'none');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Branches of a shell's `case`, for commands that have any words. */
function branches(all: readonly CommandDescription[], body: (command: CommandDescription) => string): string {
  return all
    .map((command) => [command, body(command)] as const)
    .filter(([, text]) => text !== '')
    .map(([command, text]) => `    ${quoted(placeOf(command))}) ${text} ;;`)
    .join('\n');
}

/** The `case` patterns of all commands except the program. */
function places(all: readonly CommandDescription[]): string {
  return all
    .slice(1)
    .map((command) => quoted(placeOf(command)))
    .join(' | ');
}

/** Branches by command and option, for options with a value. */
function valueBranches(
  all: readonly CommandDescription[],
  file: string,
  words: (choices: string) => string,
): string {
  return all
    .flatMap((command) =>
      withValue(command).map(({ names, value, choices }) => {
        const patterns = names.map((name) => quoted(`${placeOf(command)} ${name}`)).join(' | ');
        const action = choices.length > 0 ? words(choices.join(' ')) : value === 'file' ? file : 'true';
        return `    ${patterns}) ${action}; return ;;`;
      }),
    )
    .join('\n');
}

const optionNames = ({ options }: CommandDescription): string =>
  options.flatMap(({ names }) => names).join(' ');

function bash(all: readonly CommandDescription[]): string {
  const words = (command: CommandDescription): string =>
    wordsAfter(command, all)
      .map(([word]) => (word.includes(' ') ? `"${word}"` : word))
      .join(' ');
  return `# vaemon completion bash
_vaemon() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} place='' i
  local options='' words='' files=''
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$place \${COMP_WORDS[i]}" in
      ${places(all)}) place+=" \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$place $previous" in
${valueBranches(all, 'mapfile -t COMPREPLY < <(compgen -f -- "$current")', (choices) => `mapfile -t COMPREPLY < <(compgen -W ${quoted(choices)} -- "$current")`)}
  esac
  case "$place" in
${branches(all, (command) => `options=${quoted(optionNames(command))} words=${quoted(words(command))}${takesFiles(command) ? ' files=yes' : ''}`)}
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ $files == yes ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -o filenames -F _vaemon vaemon
`;
}

function zsh(all: readonly CommandDescription[]): string {
  const described = (pairs: readonly (readonly [string, string])[]): string =>
    pairs.map(([word, text]) => quoted(`${word}:${text.replaceAll(':', '\\:')}`)).join(' ');
  const options = (command: CommandDescription): string =>
    described(
      command.options.flatMap(({ names, description }) => names.map((name) => [name, description] as const)),
    );
  return `#compdef vaemon
# vaemon completion zsh
_vaemon() {
  local current=\${words[CURRENT]} previous=\${words[CURRENT-1]} place='' i
  local -a options after
  local files=''
  for ((i = 2; i < CURRENT; i++)); do
    case "$place \${words[i]}" in
      ${places(all)}) place+=" \${words[i]}" ;;
    esac
  done
  case "$place $previous" in
${valueBranches(all, '_files', (choices) => `compadd -- ${choices}`)}
  esac
  case "$place" in
${branches(all, (command) => `options=(${options(command)}); after=(${described(wordsAfter(command, all))})${takesFiles(command) ? '; files=yes' : ''}`)}
  esac
  if [[ $current == -* ]]; then
    _describe option options
    return
  fi
  (( \${#after} )) && _describe word after
  [[ $files == yes ]] && _files
  return 0
}
if [[ $funcstack[1] == _vaemon ]]; then _vaemon "$@"; else compdef _vaemon vaemon; fi
`;
}

function fish(all: readonly CommandDescription[]): string {
  const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", `\\'`)}'`;
  const lines = all.flatMap((command) => {
    const at = `complete -c vaemon -n ${text(`test "$(__vaemon_place)" = "${placeOf(command)}"`)}`;
    const words = wordsAfter(command, all).map(
      ([word, about]) => `${at} -a ${text(word.replaceAll(' ', '\\ '))} -d ${text(about)}`,
    );
    const options = command.options.map(({ names, description, value, choices }) => {
      const flags = names.map((name) =>
        name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
      );
      const values =
        choices.length > 0
          ? ` -x -a ${text(choices.join(' '))}`
          : { none: '', file: ' -r -F', other: ' -x' }[value];
      return `${at} ${flags.join(' ')}${values} -d ${text(description)}`;
    });
    return [...words, ...(takesFiles(command) ? [`${at} -F`] : []), ...options];
  });
  return `# vaemon completion fish
function __vaemon_place
  set -l place
  for word in (commandline -opc)[2..]
    switch "$place $word"
      case ${all
        .slice(1)
        .map((command) => text(placeOf(command)))
        .join(' ')}
        set place "$place $word"
    end
  end
  echo $place
end
complete -c vaemon -f
${lines.join('\n')}
`;
}
