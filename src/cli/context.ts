/** Parts of the process that a command uses. */
import type { Command } from 'commander';
import type { LogStream } from '../logger';

export interface CommandContext {
  env: Readonly<Record<string, string | undefined>>;
  /** Output of the command. */
  stdout: LogStream;
  /** Stream for errors, and for the log of a command whose result is on stdout. */
  stderr: LogStream;
  /** Asks the user at a terminal; undefined without a terminal. */
  ask?: (question: string) => Promise<string>;
  /** Sets the exit code of the process; 0 by default. */
  setExitCode: (code: number) => void;
}

/** Adds a command to the program; each file of this folder exports one. */
export type Register = (program: Command, context: CommandContext) => void;

/** Exit codes, after sysexits.h. */
export const exitCodes = { failure: 1, usage: 64, config: 78 } as const;

/** All exit codes with their meaning, for the help and docs/robustness.md. */
export const exitCodeMeanings: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'done'],
  [exitCodes.failure, 'failed'],
  [exitCodes.usage, 'wrong usage'],
  [exitCodes.config, 'wrong configuration'],
];
