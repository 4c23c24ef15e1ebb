#!/usr/bin/env node
/** Runs the command of the arguments; the only file that calls process.exit. */
import { runCli } from './cli/cli';

// A closed pipe (`vaemon config docs | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

void runCli(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  setExitCode: (code) => {
    process.exitCode = code;
  },
}).then(() => {
  // Exits even if a library left a connection open; output is flushed first.
  process.stdout.write('', () => process.exit());
});
