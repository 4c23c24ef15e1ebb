/** Images end to end: PNG in, verdicts out, through the trainer and the pipeline that the daemon has. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadSettings } from '../src/config/load';
import { sourceOf } from '../src/config/settings';
import { evaluateDetector } from '../src/offline/evaluate/evaluator';
import { rocAuc } from '../src/offline/evaluate/quality/ranking';
import type { Message } from '../src/sources/source';
import { openEngines, usualEngines } from '../src/runtime/engines';
import { tf } from '../src/tensor';

const repository = join(__dirname, '..');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-digits-'));
  await promisify(execFile)(process.execPath, [join(repository, 'scripts/digits.mjs'), folder]);
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

test('trained on 1, 4, 7 and 9, the detector of config/digits finds the other six digits', async () => {
  const { detectors } = await loadSettings(join(repository, 'config/digits'), { env: {} });
  const settings = detectors[0]!.settings;
  const lines = (await readFile(join(folder, 'digits.ndjson'), 'utf8')).trim().split('\n');
  const messages = lines.map((line, i): Message => ({
    key: null,
    value: Buffer.from(line),
    timestamp: NaN,
    origin: { topic: 'digits', partition: 0, offset: String(i) },
    warmUp: false,
  }));
  const history = sourceOf(settings, 'file').file.historyRecords;
  const test = messages.slice(history).map((message, i) => ({
    ...message,
    origin: { ...message.origin, offset: String(i) },
  }));
  const digits = lines.map((line) => (JSON.parse(line) as { digit: number }).digit);
  const isStrange = (digit: number): boolean => ![1, 4, 7, 9].includes(digit);
  expect(digits.slice(0, history).some(isStrange)).toBe(false);

  const began = performance.now();
  const { scores, flags, rejected, windowNotFull, threshold, training } = await evaluateDetector({
    settings,
    train: messages.slice(0, history).map((message) => ({
      ...message,
      origin: { ...message.origin, topic: 'history' },
      warmUp: true,
    })),
    test,
    engines: await openEngines(usualEngines),
  });
  const labels = Uint8Array.from(digits.slice(history), (digit) => (isStrange(digit) ? 1 : 0));
  const auc = rocAuc(labels, scores);
  const share = (label: number): number => {
    const own = flags.filter((_, i) => labels[i] === label);
    return own.reduce((sum, flag) => sum + flag, 0) / own.length;
  };
  process.stdout.write(
    `AUROC ${auc.toFixed(3)}: ${labels.length} images, ${(share(1) * 100).toFixed(0)} % of the strange ones and ` +
      `${(share(0) * 100).toFixed(1)} % of the known ones flagged at a target of 1 %; ` +
      `${training.epochs} epochs, ${((performance.now() - began) / 1000).toFixed(0)} s in all\n`,
  );

  expect([rejected, windowNotFull, scores.length]).toEqual([{}, 0, 840]);
  expect(threshold).toBe(2);
  expect(auc).toBeGreaterThan(0.93);
  expect(share(0)).toBeLessThan(0.04);
  expect(tf.memory().numTensors).toBe(0);
}, 300_000);
