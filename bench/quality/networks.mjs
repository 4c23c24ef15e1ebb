#!/usr/bin/env node
/**
 * Which network and likelihood suit images: ROC-AUC of one statistic at a time, for each kind of strange image, after a training
 * on the clothes of Fashion-MNIST. Prints the markdown table of docs/models.md.
 *
 *   npm run bench:networks -- [--data FOLDER] [--seed N]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { everyKind, prepareEveryKind } from './images.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const { rocAuc } = createRequire(import.meta.url)('../../dist/offline/evaluate/quality/ranking');

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: join(root, '../shared/data') },
    seed: { type: 'string', default: '1' },
  },
});

const dense = { network: 'mlp', hidden: '256,64', epochs: 15 };
const filters = { network: 'conv2d', hidden: '16,32', epochs: 8 };
const contenders = [
  ...['gaussian', 'bernoulli'].map((likelihood) => ({ ...dense, likelihood })),
  ...['gaussian', 'student-t', 'bernoulli', 'discretised-logistic'].map((likelihood) => ({
    ...filters,
    likelihood,
  })),
];
const statistics = ['reconstruction', 'channel'];

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-networks-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
if (!prepareEveryKind(join(options.data, 'images'), scratch)) {
  console.error(`bench:networks: there is no Fashion-MNIST in ${options.data}/images`);
  process.exit(1);
}

function evaluate({ network, hidden, epochs, likelihood }, statistic) {
  const out = join(scratch, 'scores.csv');
  const settings = {
    'model.kind': 'vae',
    'model.features': 'pixels',
    'model.minVariance': 1e-4,
    'model.latentDim': 16,
    'model.network': network,
    'model.hidden': hidden,
    'model.likelihood': likelihood,
    'training.epochs': epochs,
    'training.seed': options.seed,
    'calibration.statistics': statistic,
  };
  const began = performance.now();
  execFileSync(process.execPath, [
    ...[join(root, 'dist/main.js'), 'evaluate', join(root, 'config/evaluate/image.yaml')],
    ...['--train', scratch, '--test', scratch, '--out', out],
    ...Object.entries(settings).map(([key, value]) => `--set=${key}=${value}`),
  ]);
  const seconds = (performance.now() - began) / 1000;
  const scores = readFileSync(out, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => Number(line.split(',')[2]));
  return { seconds, aucs: aucs(Float64Array.from(scores)) };
}

/** Of each kind of strange image, among those that are as they were. */
function aucs(scores) {
  const count = scores.length / everyKind.length;
  const normal = scores.subarray(0, count);
  const labels = Uint8Array.from({ length: 2 * count }, (_, i) => (i < count ? 0 : 1));
  return everyKind
    .slice(1)
    .map((_, k) =>
      rocAuc(labels, Float64Array.of(...normal, ...scores.subarray((k + 1) * count, (k + 2) * count))),
    );
}

const head = ['network, likelihood', ...everyKind.slice(1), 'seconds'];
console.log(`| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|`);
for (const contender of contenders) {
  const { network, hidden, epochs, likelihood } = contender;
  const results = statistics.map((statistic) => evaluate(contender, statistic));
  const cells = everyKind
    .slice(1)
    .map((_, k) => results.map((result) => result.aucs[k].toFixed(3).slice(1)).join(' / '));
  const seconds = Math.min(...results.map((result) => result.seconds)).toFixed(0);
  const name = `\`${network}\` ${hidden.replace(',', '-')}, \`${likelihood}\`, ${epochs} epochs`;
  console.log(`| ${[name, ...cells, seconds].join(' | ')} |`);
}
