/** Our metrics against an independent implementation in numpy, on random and on real cases. Skipped where it is absent. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  judge,
  type JudgedSeries,
  type SeriesMetrics,
} from '../../../src/offline/evaluate/quality/judgement';

const root = join(__dirname, '../../..');
const data = join(root, '../shared/data');
const judgeScript = join(data, 'metrics.py');
const python = [process.env['VAEMON_PYTHON'], join(root, '.cache/quality/bin/python'), 'python3'].find(
  (path) => path !== undefined && hasNumpy(path),
);

function hasNumpy(path: string): boolean {
  try {
    execFileSync(path, ['-c', 'import numpy'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const missing = !existsSync(judgeScript)
  ? `${judgeScript} is absent`
  : python === undefined
    ? 'no Python with numpy'
    : undefined;
const testWithJudge = missing === undefined ? test : test.skip;
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vaemon-metrics-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Names there and here; `n` and `ratio` of the judge are ours as well. */
const names: Record<string, keyof SeriesMetrics> = {
  n: 'records',
  ratio: 'anomalousRatio',
  roc_auc: 'rocAuc',
  pr_auc: 'prAuc',
  vus_roc: 'vusRoc',
  vus_pr: 'vusPr',
  f1: 'f1',
  precision: 'precision',
  recall: 'recall',
  FAR: 'far',
  MAR: 'mar',
  TP: 'truePositives',
  TN: 'trueNegatives',
  FP: 'falsePositives',
  FN: 'falseNegatives',
  events: 'events',
  event_recall: 'eventRecall',
  delay: 'delay',
};

interface Judged {
  series: Record<string, Record<string, number>>;
  macro: Record<string, number>;
  micro: Record<string, number>;
}

function judgeByScript(all: readonly JudgedSeries[], buffer: number): Judged {
  const scores = join(folder, 'scores.csv');
  const labels = join(folder, 'labels.csv');
  const rows = (row: (one: JudgedSeries, i: number) => string): string =>
    all.flatMap((one) => Array.from(one.labels, (_, i) => row(one, i))).join('\n');
  writeFileSync(
    scores,
    `series,index,score,flag\n${rows((one, i) => `${one.name},${i},${one.scores[i]!},${one.flags[i]!}`)}\n`,
  );
  writeFileSync(labels, `series,index,label\n${rows((one, i) => `${one.name},${i},${one.labels[i]!}`)}\n`);
  const args = [judgeScript, scores, labels, '--per-series', '--window', String(buffer)];
  const output = execFileSync(python!, args, {
    encoding: 'utf8',
    maxBuffer: 1e8,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(output.replaceAll('NaN', 'null')) as Judged;
}

function expectSame(all: readonly JudgedSeries[], buffer: number): void {
  const theirs = judgeByScript(all, buffer);
  const ours = judge(all, buffer);
  const compare = (
    one: Record<string, number>,
    other: Record<string, number | null>,
    where: string,
  ): void => {
    for (const [theirName, ourName] of Object.entries(names)) {
      if (!(theirName in other) || !(ourName in one)) continue;
      const expected = other[theirName] ?? NaN;
      const difference = Number.isNaN(expected) && Number.isNaN(one[ourName]) ? 0 : one[ourName]! - expected;
      if (!(Math.abs(difference) <= 1e-6))
        throw new Error(`${where} ${ourName}: ${String(one[ourName])} here, ${expected} there`);
    }
  };
  for (const { name } of all) compare({ ...ours.series[name]! }, theirs.series[name]!, name);
  compare({ ...ours.macro }, theirs.macro, 'macro');
  compare({ ...ours.micro }, theirs.micro, 'micro');
  expect(ours.micro.rocAuc).toBeCloseTo(theirs.micro['roc_auc_pooled']!, 6);
  expect(ours.micro.prAuc).toBeCloseTo(theirs.micro['pr_auc_pooled']!, 6);
  expect(ours.micro.flagAllF1).toBeCloseTo(theirs.micro['flag_all_f1']!, 6);
}

/** Mulberry32. */
function createUniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function scoreLabels(name: string, labels: Uint8Array, seed: number, levels: number): JudgedSeries {
  const uniform = createUniform(seed);
  const scores = Float64Array.from(labels, (label) => {
    const score = uniform() + (uniform() < 0.5 ? label : 0);
    return levels === 0 ? score : Math.round(score * levels);
  });
  const flags = Uint8Array.from(labels, (label) => (uniform() < 0.05 + 0.3 * label ? 1 : 0));
  return { name, labels, scores, flags };
}

testWithJudge.each([
  ['without ties', 0],
  ['with many ties', 5],
])(
  `random series of many shapes, %s${because}`,
  (_, levels) => {
    const uniform = createUniform(7 + levels);
    const all = Array.from({ length: 12 }, (_unused, i) => {
      const length = 30 + Math.floor(uniform() * 900);
      let anomalous = i === 0;
      const labels = Uint8Array.from({ length }, () => {
        if (uniform() < (anomalous ? 0.1 : 0.02)) anomalous = !anomalous;
        return anomalous ? 1 : 0;
      });
      labels[length >> 1] = 1;
      labels[(length >> 1) + 1] = 0;
      return scoreLabels(`s${i}`, labels, i, levels);
    });
    for (const buffer of [0, 1, 7, 100]) expectSame(all, buffer);
  },
  120_000,
);

testWithJudge(`anomalies at both ends, and one that is a single record${because}`, () => {
  const ends = Uint8Array.from({ length: 200 }, (_, i) => (i < 5 || i > 196 ? 1 : 0));
  const single = new Uint8Array(150).fill(1, 70, 71);
  expectSame([scoreLabels('ends', ends, 3, 0), scoreLabels('single', single, 4, 3)], 20);
});

testWithJudge.each(['skab', 'smd', 'asd'])(
  `the labels of %s${because}`,
  (set) => {
    const labelFolder = join(data, set, 'labels');
    const all = readdirSync(labelFolder).map((file, i) => {
      const lines = gunzipSync(readFileSync(join(labelFolder, file)))
        .toString()
        .trim()
        .split('\n')
        .slice(1);
      const labels = Uint8Array.from(lines, (line) => Number(line.split(',')[1]));
      return scoreLabels(file.replace('.label.csv.gz', ''), labels, i, i % 2 === 0 ? 0 : 50);
    });
    expectSame(all, 100);
  },
  300_000,
);
