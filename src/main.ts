#!/usr/bin/env node
/** Runs the command in the arguments. The only file that calls process.exit. */
import { createInterface } from 'node:readline/promises';
import { runCli } from './cli/cli';

// A closed pipe (`vaemon config docs | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

void runCli(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  ...(process.stdin.isTTY && process.stdout.isTTY && { ask }),
  setExitCode: (code) => {
    process.exitCode = code;
  },
}).then(() => {
  // Exits even if a library left a connection open; output is flushed first.
  process.stdout.write('', () => process.exit());
});

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(question)).trim();
  } finally {
    terminal.close();
  }
}
