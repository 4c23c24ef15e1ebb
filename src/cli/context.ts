/** What a command may touch of the process it runs in. */
import type { Command } from 'commander';
import type { LogStream } from '../logger';

export interface CommandContext {
  env: Readonly<Record<string, string | undefined>>;
  /** What was asked for. */
  stdout: LogStream;
  /** What went wrong, and the log of a command whose result is on stdout. */
  stderr: LogStream;
  /** With which code the process ends when the command is done; 0 unless called. */
  setExitCode: (code: number) => void;
}

/** Adds a command to the program; each file of this folder exports one. */
export type Register = (program: Command, context: CommandContext) => void;

/** Exit codes, after sysexits.h. */
export const exitCodes = { failure: 1, usage: 64, config: 78 } as const;
