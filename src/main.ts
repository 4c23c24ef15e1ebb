#!/usr/bin/env node
/** argv → command; the only place that ends the process. */
import { runCli } from './cli/cli';

// A reader that has seen enough (`vaemon config docs | head`) is no error of ours.
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
  // Without this a connection that a library forgot would keep the process; what is written is flushed first.
  process.stdout.write('', () => process.exit());
});
