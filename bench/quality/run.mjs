#!/usr/bin/env node
/**
 * How good the detector is, as shipped, on the recorded sets of a folder (`skab`, `smd`, `asd`, `tep`, `smap`, `msl`, `nab`,
 * `pumps`, and images of `fashion digits`, `fashion upside-down`, `fashion turned`) and on the project's own (`host`, `host
 * retrained`, and `plants`, which are computed): prints a markdown table, writes all that was measured as JSON, and notes what
 * it does on standard error. Set after set, so that the wall times are those of a quiet machine.
 *
 *   npm run bench:quality -- [--data FOLDER] [--sets skab,smd] [--series valve1-0,machine-1-7] [--seeds 3] [--out FILE.json]
 *     [--baselines] [--untimed] [--detector FILE] [--set key=value]… [--retrain CADENCE] [--jobs N]
 *
 * `--seeds n`: means over the seeds 1 to n. `--series`: only these series of the sets, or pumps. `--baselines`: simple detectors
 * beside it, for the same target. `--untimed`: files without times get none, so a record counts as a second.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { imageSets } from './images.mjs';
import { prepareSet, setNames } from './sets.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const { createReport } = createRequire(import.meta.url)('../../dist/offline/evaluate/quality/report');
const { readRecordLabels } = createRequire(import.meta.url)('../../dist/offline/evaluate/record-labels');

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: join(root, '../shared/data') },
    sets: { type: 'string', default: setNames.join() },
    series: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    out: { type: 'string', default: join(root, '.cache/quality.json') },
    baselines: { type: 'boolean', default: false },
    untimed: { type: 'boolean', default: false },
    detector: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    retrain: { type: 'string' },
    jobs: { type: 'string' },
  },
});
const wanted = options.series?.split(',');
const seeds = Array.from({ length: Number(options.seeds) }, (_, i) => i + 1);
if (seeds.length === 0) throw new Error(`--seeds must be a number of at least 1, not ${options.seeds}`);

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-quality-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const rows = [];
const facts = [];
const results = {};
for (const set of options.sets.split(',')) {
  if (!setNames.includes(set)) throw new Error(`unknown set "${set}": the sets are ${setNames.join(', ')}`);
  const folder = join(scratch, set.replace(' ', '-'));
  mkdirSync(folder);
  const prepared = prepareSet(set, folder, {
    root,
    data: options.data,
    isWanted: (name) => wanted === undefined || wanted.includes(name),
    untimed: options.untimed,
    python,
  });
  if (prepared === undefined) {
    note(`skipped ${set}: it is not in ${options.data}`);
    continue;
  }
  try {
    measure(set, prepared);
    if (options.baselines) await measureBaselines(set, prepared);
  } catch (error) {
    note(`${set} failed: ${error.stderr || error.stack}`);
    process.exitCode = 1;
  }
  rmSync(folder, { recursive: true });
}
if (rows.length > 0) {
  console.log(formatTable(rows));
  if (facts.length > 0) console.log(`\n${facts.join('\n')}`);
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
  note(`all results: ${options.out}`);
}

function note(text) {
  console.error(`bench:quality: ${text}`);
}

function measure(set, prepared) {
  const runs = seeds.map((seed) => {
    const began = performance.now();
    const output = evaluate(prepared, seed);
    const seconds = (performance.now() - began) / 1000;
    note(`${set}: seed ${seed}, ${seconds.toFixed(0)} s`);
    return { seed, seconds, facts: prepared.facts(output), ...output };
  });
  const row = toRow(set, runs);
  rows.push(row);
  facts.push(...formatFacts(set, runs));
  results[set] = { row, runs };
}

/** The output of evaluate, with the shipped target unless `--set` changes it. */
function evaluate(prepared, seed) {
  const { train, test, labels } = prepared;
  const settings = [`training.seed=${seed}`, ...options.set].map((setting) => `--set=${setting}`);
  const output = execFileSync(
    process.execPath,
    [
      ...[join(root, 'dist/main.js'), 'evaluate', options.detector ?? prepared.detector],
      ...['--train', train, '--test', test, '--labels', labels, '--json'],
      ...prepared.arguments,
      ...settings,
      ...(options.retrain === undefined ? [] : [`--retrain=${options.retrain}`]),
      ...(options.jobs === undefined ? [] : [`--jobs=${options.jobs}`]),
    ],
    { encoding: 'utf8', maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  return JSON.parse(output);
}

/** Mean over the runs; NaN without any. */
function mean(runs, read) {
  const values = runs.map(read).filter((value) => Number.isFinite(value));
  return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Metrics of series are means over the series, counts of events are sums over them; each is a mean over the runs. */
function toRow(set, runs, method = 'vaemon') {
  const macro = (name) => mean(runs, ({ judgement }) => judgement.macro[name]);
  const micro = (name) => mean(runs, ({ judgement }) => judgement.micro[name]);
  const details = runs.flatMap((run) => run.details ?? []);
  const thresholds = details.flatMap(({ versions }) => versions.map(({ threshold }) => threshold));
  const row = {
    set,
    method,
    series: Object.keys(runs[0].judgement.series).length,
    rocAuc: macro('rocAuc'),
    prAuc: macro('prAuc'),
    vusPr: macro('vusPr'),
    vusPrTsb: macro('vusPrTsb'),
    f1: macro('f1'),
    far: macro('far'),
    recall: macro('recall'),
    microF1: micro('f1'),
    microFar: micro('far'),
    events: micro('events'),
    foundEvents: micro('foundEvents'),
    eventPrecision: micro('eventPrecision'),
    falseEventsPerDay: micro('falseEventsPerDay'),
    falseEventsPer1000Records: micro('falseEventsPer1000Records'),
    /** Of the evaluation, if the detector has a budget of alarms. */
    budgetPerDay: micro('budgetPerDay'),
    heldBackEvents: micro('heldBackEvents'),
    foundBeforeHoldingBack: micro('foundBeforeHoldingBack'),
    delay: macro('delay'),
    target: [...new Set(details.map(({ configuredTarget }) => configuredTarget))].join(', '),
    thresholds: thresholds.length === 0 ? [] : [Math.min(...thresholds), Math.max(...thresholds)],
    best: bestStatistic(runs),
    worst: worstOf(runs),
    seconds: mean(runs, ({ seconds }) => seconds),
  };
  return imageSets.includes(set) ? withoutOrder(row) : row;
}

/** The statistic with the highest PR-AUC of those that enter the score, and how far the surprise is above it. */
function bestStatistic(runs) {
  const names = Object.keys(runs[0].rank?.macro.statistics ?? {});
  const valued = names.map((name) => ({
    name,
    prAuc: mean(runs, ({ rank }) => rank.macro.statistics[name]),
  }));
  const [best] = valued.filter(({ prAuc }) => Number.isFinite(prAuc)).sort((a, b) => b.prAuc - a.prAuc);
  if (best === undefined) return undefined;
  return { ...best, gain: mean(runs, ({ rank }) => rank.macro.surprise) - best.prAuc };
}

/** Without what rests on an order of the records. */
function withoutOrder(row) {
  const names = ['vusPr', 'vusPrTsb', 'foundEvents', 'eventPrecision', 'falseEventsPer1000Records', 'delay'];
  return { ...row, ...Object.fromEntries(names.map((name) => [name, NaN])) };
}

/** The two series with the lowest VUS-PR, or PR-AUC where that is not defined. */
function worstOf(runs) {
  const names = Object.keys(runs[0].judgement.series);
  const valued = names.map((name) => {
    const of = (metric) => mean(runs, ({ judgement }) => judgement.series[name][metric]);
    return { name, value: Number.isFinite(of('vusPr')) ? of('vusPr') : of('prAuc') };
  });
  return valued
    .filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => a.value - b.value)
    .slice(0, names.length > 1 ? 2 : 0);
}

/** Numbers as means over the runs, texts of each run. */
function formatFacts(set, runs) {
  const names = Object.keys(runs[0].facts);
  if (names.length === 0) return [];
  const texts = names.map((name) => {
    const values = runs.map((run) => run.facts[name]);
    const text = values.every((value) => typeof value === 'number')
      ? Number(mean(runs, (run) => run.facts[name]).toFixed(3))
      : values.join(' | ');
    return `${name}: ${text}`;
  });
  return [`- ${set}: ${texts.join('; ')}`];
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

/** Both sides see the training part alone, choose their own threshold for the same target, and are judged alike. */
async function measureBaselines(set, { train, test, labels }) {
  if (train !== test) return note(`${set}: no baselines, since its tests share a training`);
  const alpha = results[set].runs[0].details[0].target;
  const byMethod = new Map();
  for (const seed of seeds) {
    const out = join(scratch, `${set}-${seed}`);
    mkdirSync(out);
    execFileSync(python(), [join(here, 'baselines.py'), test, out, String(alpha), String(seed)]);
    for (const file of readdirSync(out)) {
      const method = file.replace('.csv', '');
      // Only the forest draws anything.
      if (method !== 'isolation forest' && seed !== seeds[0]) continue;
      const judgement = await judgeScores(join(out, file), labels);
      byMethod.set(method, [...(byMethod.get(method) ?? []), { seed, judgement }]);
    }
    note(`${set}: baselines, seed ${seed}`);
  }
  const baselines = [...byMethod].map(([method, runs]) => ({ row: toRow(set, runs, method), runs }));
  results[set].baselines = baselines;
  rows.push(...baselines.map(({ row }) => row));
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
  return createReport(scored, [0.01]).judgement;
}

/** Columns without a value in any row are left out. */
function formatTable(table) {
  const digits = (count) => (value) => (Number.isFinite(value) ? value.toFixed(count) : '–');
  /** A count; a mean over the seeds may be none. */
  const count = (value) => (Number.isInteger(value) ? String(value) : digits(1)(value));
  const ofAll = (part, all) => (Number.isFinite(part) ? `${count(part)}/${count(all)}` : '–');
  const columns = [
    ['set', ({ set }) => set],
    ...(options.baselines ? [['method', ({ method }) => method]] : []),
    ['series', ({ series }) => String(series)],
    ['ROC-AUC', ({ rocAuc }) => digits(3)(rocAuc)],
    ['PR-AUC', ({ prAuc }) => digits(3)(prAuc)],
    ['VUS-PR', ({ vusPr }) => digits(3)(vusPr)],
    ['VUS-PR (TSB)', ({ vusPrTsb }) => digits(3)(vusPrTsb)],
    ['F1', ({ f1 }) => digits(3)(f1)],
    ['FAR %', ({ far }) => digits(2)(far)],
    ['recall', ({ recall }) => digits(3)(recall)],
    ['micro F1', ({ microF1 }) => digits(3)(microF1)],
    ['micro FAR %', ({ microFar }) => digits(2)(microFar)],
    ['events found', ({ foundEvents, events }) => ofAll(foundEvents, events)],
    ['event precision', ({ eventPrecision }) => digits(3)(eventPrecision)],
    ['false/day', ({ falseEventsPerDay }) => digits(2)(falseEventsPerDay)],
    ['false/1,000', ({ falseEventsPer1000Records }) => digits(2)(falseEventsPer1000Records)],
    ['budget/day', ({ budgetPerDay }) => digits(2)(budgetPerDay)],
    ['held back', ({ heldBackEvents }) => count(heldBackEvents)],
    ['found before', ({ foundBeforeHoldingBack, events }) => ofAll(foundBeforeHoldingBack, events)],
    ['delay', ({ delay }) => digits(1)(delay)],
    ['target', ({ target }) => target || '–'],
    ['threshold', ({ thresholds }) => [...new Set(thresholds.map(digits(2)))].join(' to ') || '–'],
    [
      'best statistic, gain of the surprise',
      ({ best }) =>
        best === undefined ? '–' : `${best.name} ${digits(3)(best.prAuc)}, ${digits(3)(best.gain)}`,
    ],
    [
      'worst series',
      ({ worst }) => worst.map(({ name, value }) => `${name} ${digits(2)(value)}`).join(', ') || '–',
    ],
    ['s', ({ seconds }) => digits(0)(seconds)],
  ];
  const shown = columns.filter(([, show]) => table.some((row) => show(row) !== '–'));
  const head = shown.map(([title]) => title);
  const cells = table.map((row) => shown.map(([, show]) => show(row)));
  const widths = head.map((_, i) => Math.max(3, ...[head, ...cells].map((line) => line[i].length)));
  const line = (texts) => `| ${texts.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}
