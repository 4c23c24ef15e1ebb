#!/usr/bin/env node
/**
 * The benches. Every number in docs/performance.md comes from here.
 *
 *   npm run bench                      all suites
 *   npm run bench -- engine kafka      these
 *   npm run bench -- --json            as JSON
 *   npm run bench -- --quick           few records and rounds: whether it runs, not how fast
 *   npm run bench -- setup             the Python that is compared with, from bench/python/requirements.txt
 *
 * Ratios are of what ran in turns in one run; a machine that does something else meanwhile changes them little, and the
 * numbers beside them much.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const suites = ['engine', 'kafka', 'images', 'growth', 'memory', 'scale'];
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, picture: { type: 'string' } },
});
const root = fileURLToPath(new URL('../', import.meta.url));

if (positionals.includes('setup')) {
  const venv = join(root, '.cache/bench/venv');
  mkdirSync(join(root, '.cache/bench'), { recursive: true });
  execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
  const install = [
    'install',
    '--disable-pip-version-check',
    '-r',
    join(root, 'bench/python/requirements.txt'),
  ];
  execFileSync(join(venv, 'bin/pip'), install, { stdio: 'inherit' });
  process.exit(0);
}

const chosen = positionals.length === 0 ? suites : positionals;
const unknown = chosen.filter((name) => !suites.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`there is no suite ${unknown.join(', ')}, only ${suites.join(', ')} (and setup)\n`);
  process.exit(64);
}

const size = options.quick
  ? {
      rounds: 1,
      seconds: 0.3,
      records: 100_000,
      liveSeconds: 6,
      growthRecords: 20_000,
      memoryRecords: 200_000,
      scaleSize: { partitions: 40, scorers: 3, devices: 50, watchedPartitions: 8 },
    }
  : {
      rounds: 5,
      seconds: 1,
      records: 1_000_000,
      liveSeconds: 20,
      growthRecords: 200_000,
      memoryRecords: 10_000_000,
      scaleSize: { partitions: 1000, scorers: 4, devices: 20, watchedPartitions: 16 },
    };
const log = (line) => process.stderr.write(`${line}\n`);
const machine = {
  cpu: cpus()[0]?.model.trim(),
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  load: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' '),
};
const results = { machine };
for (const name of chosen) {
  log(`--- ${name}`);
  const suite = await import(`./suites/${name}.mjs`);
  // A broker takes its share, so that there is less to be gained by more rounds.
  const rounds = name === 'kafka' ? Math.min(3, size.rounds) : size.rounds;
  results[name] = await suite.run({ ...size, rounds, log });
  if (!options.json) process.stdout.write(`\n## ${name}\n\n${suite.format(results[name])}\n`);
  if (options.picture !== undefined && suite.picture !== undefined)
    writeFileSync(options.picture, suite.picture(results[name]));
}
if (options.json) process.stdout.write(`${JSON.stringify(results)}\n`);
else
  process.stdout.write(
    `\n${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, Node ${machine.node}; load before: ${machine.load}\n`,
  );
process.exit(0);
