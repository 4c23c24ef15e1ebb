/** Arguments and options that several commands share. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseTime as readTime, TimeError } from '../domain/time';

export const configurationHelp = "a detector's file, or a folder with daemon.yaml and detectors/*.yaml";

/** Options of a command on one detector; not every command declares all of them. */
export interface DetectorOptions {
  /** Overridden settings: a map from dotted key to text. */
  set: Record<string, string>;
  detector?: string;
  modelVersion?: string;
  fileRecords?: number;
  json?: boolean;
}

/** Options of a command that makes a model version from history. */
export interface TrainingOptions extends DetectorOptions {
  quarantine?: string;
  takeLease?: boolean;
  lease?: string;
}

export function setOption(): Option {
  return new Option('-s, --set <key=value>', 'override a key of the configuration; repeatable')
    .argParser(collect)
    .default({}, 'none');
}

/** A command whose argument is the path of a configuration. */
export function configurationCommand(parent: Command, name: string, description: string): Command {
  const command = parent.command(name).description(description);
  return command.argument('<path>', configurationHelp).addOption(setOption());
}

/** A command on one detector of a configuration. */
export function detectorCommand(parent: Command, name: string, description: string): Command {
  const command = configurationCommand(parent, name, description);
  return command.option('-d, --detector <name>', 'name of the detector, if there are several');
}

/** A command on one model version of a detector. */
export function modelCommand(parent: Command, name: string, description: string): Command {
  const command = detectorCommand(parent, name, description);
  return command.option('--model-version <name>', 'model version (default: the current one)');
}

export function fileRecordsOption(): Option {
  const help = 'use the first n records of a file source (default: its historyRecords)';
  return new Option('--file-records <n>', help).argParser(Number);
}

/** A command that makes a model version from the history of a detector. */
export function trainingCommand(parent: Command, name: string, description: string): Command {
  return detectorCommand(parent, name, description)
    .addOption(fileRecordsOption())
    .option(
      '--quarantine <file>',
      'JSON list of {key, from, to} (Unix ms) to leave out (default: the anomalous records)',
    )
    .option('--take-lease', 'publish although another process trains: what it is training is lost');
}

/** Collects `key=value` arguments by key; a second value for a key is an error. */
export function collect(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const { key, value } = /^(?<key>[^=\s]+)=(?<value>.*)$/s.exec(text)?.groups ?? {};
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Expected key=value.');
  if (Object.hasOwn(before, key) && before[key] !== value)
    throw new InvalidArgumentError(`It gives "${key}" a second value.`);
  return { ...before, [key]: value };
}

/** Parses whole numbers of at least `min`. */
export function wholeFrom(min: number): (text: string) => number {
  return (text) => {
    if (/^\d+$/.test(text) && Number(text) >= min) return Number(text);
    throw new InvalidArgumentError(`Expected a whole number of at least ${min}.`);
  };
}

/** Parses a time to Unix ms. */
export function parseTime(text: string): number {
  try {
    return readTime(text);
  } catch (error) {
    if (!(error instanceof TimeError)) throw error;
    throw new InvalidArgumentError(`Expected a time. It ${error.problem}.`);
  }
}

/** Command line that runs this program with these arguments in another process. */
export function ownCommand(
  args: readonly string[],
  overrides: DetectorOptions['set'],
): [string, ...string[]] {
  const settings = Object.entries(overrides).map(([key, value]) => `--set=${key}=${value}`);
  return [process.execPath, ...process.execArgv, process.argv[1]!, ...args, ...settings];
}

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
