/** What a command that makes a model version from history can be told of it. */
import type { Command } from 'commander';
import { setOption } from './set';

export interface TrainingSelection {
  set: Record<string, string>;
  detector?: string;
  fileRecords?: string;
  quarantine?: string;
  takeLease?: boolean;
}

export function addTrainingOptions(command: Command): Command {
  return command
    .option('-d, --detector <name>', 'name of the detector, if there are several')
    .option('--file-records <n>', 'use the first n records of a file source (default: its historyRecords)')
    .option(
      '--quarantine <file>',
      'JSON list of {key, from, to} (Unix ms) to leave out (default: the anomalous records)',
    )
    .option('--take-lease', 'publish although another process trains: what it is training is lost')
    .addOption(setOption());
}
