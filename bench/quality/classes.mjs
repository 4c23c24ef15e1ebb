#!/usr/bin/env node
/**
 * One class against the others: trained on one of the ten classes of Fashion-MNIST, and shown all ten of the test part. Prints
 * ROC-AUC and the shares that are flagged, for each class and on average.
 *
 *   npm run bench:classes -- [--data FOLDER] [--classes 0,2] [--seed N] [--set KEY=VALUE ...]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readClothes, writeImages } from './images.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const { rocAuc } = createRequire(import.meta.url)('../../dist/offline/evaluate/quality/ranking');

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: join(root, '../shared/data') },
    classes: { type: 'string', default: '0,1,2,3,4,5,6,7,8,9' },
    seed: { type: 'string', default: '1' },
    set: { type: 'string', multiple: true, default: [] },
  },
});

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-classes-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const [train, test] = ['train-12k', 'test-2k'].map((part) => readClothes(join(options.data, 'images'), part));
if (train === undefined) {
  console.error(`bench:classes: there is no Fashion-MNIST in ${options.data}/images`);
  process.exit(1);
}

/** Surprise and flag of each image of the test part, after a training on one class. */
function evaluate(known) {
  const folder = join(scratch, `class-${known}`);
  const out = join(folder, 'scores.csv');
  mkdirSync(folder);
  writeImages(
    join(folder, 'clothes.train.idx3'),
    train.filter(({ of }) => of === known).map(({ image }) => image),
  );
  writeImages(
    join(folder, 'clothes.test.idx3'),
    test.map(({ image }) => image),
  );
  execFileSync(
    process.execPath,
    [
      ...[join(root, 'dist/main.js'), 'evaluate', join(root, 'config/evaluate/image.yaml')],
      ...['--train', folder, '--test', folder, '--out', out],
      ...[`--set=training.seed=${options.seed}`, ...options.set.map((one) => `--set=${one}`)],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const rows = readFileSync(out, 'utf8').trim().split('\n').slice(1);
  return rows.map((row) => row.split(',').slice(2, 4).map(Number));
}

const mean = (values) => values.reduce((sum, value) => sum + value / values.length, 0);

function measure(known) {
  const scored = evaluate(known);
  const labels = Uint8Array.from(test, ({ of }) => (of === known ? 0 : 1));
  const flagged = (label) => mean(scored.filter((_, i) => labels[i] === label).map(([, flag]) => flag));
  const surprises = Float64Array.from(scored, ([surprise]) => surprise);
  return [rocAuc(labels, surprises), flagged(0), flagged(1)];
}

function print(name, [auc, normal, others]) {
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  console.log(
    `| ${[name, auc.toFixed(3).replace(/^0/, ''), percent(normal), percent(others)].join(' | ')} |`,
  );
}

console.log('| class | ROC-AUC | flagged, of its own | of others |\n|---|---|---|---|');
const rows = options.classes.split(',').map((known) => {
  const row = measure(Number(known));
  print(known, row);
  return row;
});
print(
  'mean',
  rows[0].map((_, column) => mean(rows.map((row) => row[column]))),
);
