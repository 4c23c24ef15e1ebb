#!/usr/bin/env node
/**
 * How good the scores are, against simple detectors, on the recorded sets of a folder (`skab`, `smd`, `asd`, `nab`, and images of
 * `fashion digits`, `fashion upside-down`, `fashion turned`) and on the project's own (`host`): prints a markdown table, and
 * notes what it does on standard error.
 *
 *   npm run bench:quality -- [--data FOLDER] [--sets skab,smd] [--seeds 1,2,3] [--alpha 0.01] [--set key=value]… [--jobs N]
 *
 * Both sides see the training part alone, choose their own threshold for the same target, and are judged alike.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepareHost } from './host.mjs';
import { imageSets, prepareImages } from './images.mjs';
import { prepareNab } from './nab.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const { createReport } = createRequire(import.meta.url)('../../dist/offline/evaluate/quality/report');
const { readRecordLabels } = createRequire(import.meta.url)('../../dist/offline/evaluate/record-labels');

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: join(root, '../shared/data') },
    sets: { type: 'string', default: ['host', 'skab', 'smd', 'asd', 'nab', ...imageSets].join() },
    seeds: { type: 'string', default: '1,2,3' },
    alpha: { type: 'string', default: '0.01' },
    detector: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    jobs: { type: 'string' },
    'no-baselines': { type: 'boolean', default: false },
  },
});
const seeds = options.seeds.split(',').map(Number);
const alpha = Number(options.alpha);

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-quality-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const rows = [];
for (const set of options.sets.split(',')) {
  const folder = prepare(set);
  if (folder === undefined) continue;
  if (!options['no-baselines']) rows.push(...(await runBaselines(set, folder)));
  rows.push(...runVaemon(set, folder));
}
if (rows.length > 0) console.log(formatTable(rows));

function note(text) {
  console.error(`bench:quality: ${text}`);
}

function prepare(set) {
  if (set === 'host') {
    const folder = join(scratch, set);
    prepareHost(join(root, 'data/host'), folder);
    return folder;
  }
  if (imageSets.includes(set)) {
    const [source, folder] = [join(options.data, 'images'), join(scratch, set)];
    if (prepareImages(source, set, folder)) return folder;
    note(`skipped ${set}: there is no Fashion-MNIST in ${source}`);
    return undefined;
  }
  const source = join(options.data, set);
  if (!existsSync(source)) {
    note(`skipped ${set}: there is no ${source}`);
    return undefined;
  }
  if (set !== 'nab') return source;
  const folder = join(scratch, set);
  prepareNab(source, folder);
  return folder;
}

/** Python with what requirements.txt lists, in .cache; made when it is not there. */
function python() {
  if (process.env.VAEMON_PYTHON !== undefined) return process.env.VAEMON_PYTHON;
  const environment = join(root, '.cache/quality');
  const program = join(environment, 'bin/python');
  if (!existsSync(program)) {
    note(`making ${environment}`);
    execFileSync('python3', ['-m', 'venv', environment], { stdio: 'inherit' });
    const install = ['-m', 'pip', 'install', '--quiet', '--requirement', join(here, 'requirements.txt')];
    execFileSync(program, install, { stdio: ['ignore', 2, 2] });
  }
  return program;
}

async function runBaselines(set, folder) {
  const results = new Map();
  for (const seed of seeds) {
    const out = join(scratch, `${set}-${seed}`);
    mkdirSync(out);
    execFileSync(python(), [join(here, 'baselines.py'), folder, out, String(alpha), String(seed)]);
    for (const file of readdirSync(out)) {
      const method = file.replace('.csv', '');
      // Only the forest draws anything.
      if (method !== 'isolation forest' && seed !== seeds[0]) continue;
      const judged = await judgeScores(join(out, file), join(folder, 'labels'));
      results.set(method, [...(results.get(method) ?? []), judged]);
    }
    note(`${set}: baselines, seed ${seed}`);
  }
  return [...results].map(([method, all]) => toRow(set, method, all));
}

async function judgeScores(path, labelFolder) {
  const bySeries = new Map();
  for (const line of readFileSync(path, 'utf8').trim().split('\n').slice(1)) {
    const [name, , score, flag] = line.split(',');
    const series = bySeries.get(name) ?? { scores: [], flags: [] };
    series.scores.push(Number(score));
    series.flags.push(Number(flag));
    bySeries.set(name, series);
  }
  const labels = new Map();
  for (const file of readdirSync(labelFolder)) {
    const name = file.replace(/\.label\.(csv|idx1)(\.gz)?$/, '');
    for (const [key, value] of await readRecordLabels(join(labelFolder, file), name)) labels.set(key, value);
  }
  const scored = [...bySeries].map(([name, { scores, flags }]) => ({
    name,
    scores: Float64Array.from(scores),
    flags: Uint8Array.from(flags),
    labels: labels.get(name),
  }));
  return createReport(scored, [alpha]).judgement;
}

function detectorOf(set) {
  // What is normal on this machine depends on what it is asked to do, which its own detector knows.
  if (set === 'host') return join(root, 'config/demo/detectors/host.yaml');
  return (
    options.detector ?? join(root, `config/evaluate/${imageSets.includes(set) ? 'image' : 'sensor'}.yaml`)
  );
}

function runVaemon(set, folder) {
  const all = seeds.map((seed) => {
    const began = performance.now();
    const settings = [`training.seed=${seed}`, `calibration.falseAlarmTarget=${alpha}`, ...options.set];
    const output = execFileSync(
      process.execPath,
      [
        join(root, 'dist/main.js'),
        'evaluate',
        detectorOf(set),
        ...['--train', folder, '--test', folder, '--labels', join(folder, 'labels'), '--json'],
        ...settings.map((setting) => `--set=${setting}`),
        ...(options.jobs === undefined ? [] : [`--jobs=${options.jobs}`]),
      ],
      { encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    note(`${set}: vaemon, seed ${seed}, ${((performance.now() - began) / 1000).toFixed(0)} s`);
    return JSON.parse(output).judgement;
  });
  return [toRow(set, 'vaemon', all)];
}

/** Means over the seeds. */
function toRow(set, method, all) {
  const mean = (read) => all.reduce((sum, one) => sum + (read(one) ?? NaN), 0) / all.length;
  const macro = (name) => mean((one) => one.macro[name]);
  return {
    set,
    method,
    rocAuc: macro('rocAuc'),
    prAuc: macro('prAuc'),
    vusPr: macro('vusPr'),
    f1: macro('f1'),
    far: macro('far'),
    mar: macro('mar'),
    microF1: mean((one) => one.micro.f1),
    microFar: mean((one) => one.micro.far),
    eventRecall: macro('eventRecall'),
    delay: macro('delay'),
  };
}

function formatTable(table) {
  const head = [
    'set',
    'method',
    'ROC-AUC',
    'PR-AUC',
    'VUS-PR',
    'F1',
    'FAR %',
    'MAR %',
    'micro F1',
    'micro FAR %',
    'events found',
    'delay',
  ];
  const three = (value) => (Number.isFinite(value) ? value.toFixed(3) : '–');
  const one = (value) => (Number.isFinite(value) ? value.toFixed(1) : '–');
  const cells = table.map((row) => [
    row.set,
    row.method,
    ...[row.rocAuc, row.prAuc, row.vusPr, row.f1].map(three),
    ...[row.far, row.mar].map(one),
    three(row.microF1),
    one(row.microFar),
    three(row.eventRecall),
    one(row.delay),
  ]);
  const widths = head.map((_, i) => Math.max(3, ...[head, ...cells].map((line) => line[i].length)));
  const line = (columns) => `| ${columns.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}
