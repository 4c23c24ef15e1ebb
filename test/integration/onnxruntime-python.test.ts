/** Python's onnxruntime loads the exported graph of a stored version, and scores as vaemon does. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWindowBatch, type WindowBatch } from '../../src/domain/window';
import { disposeModel } from '../../src/models/model';
import { modelKinds, type AnyModelSpec } from '../../src/models/zoo';
import { openSession } from '../../src/onnx/session';
import { decodeBundle, decodeModel, encodeBundle } from '../../src/scoring/bundle';
import { traceWithScaler } from '../../src/scoring/trace';
import { createModelStore } from '../../src/store/model-store';
import type { Dataset } from '../../src/training/dataset';
import { train } from '../../src/training/train';
import { type TrainingOptions } from '../../src/training/options';
import { openTestBackend } from '../backend';
import { createDataset, options } from '../models/synthetic';

/** A Python that has onnxruntime: the one named in the environment, or the one that .ci/run makes. */
const python = [
  process.env['VAEMON_TEST_ONNXRUNTIME_PYTHON'],
  join(__dirname, '../../.cache/onnxruntime/bin/python'),
  'python3',
].find(
  (command) => command !== undefined && spawnSync(command, ['-c', 'import numpy, onnxruntime']).status === 0,
);
if (python === undefined)
  process.stderr.write('no Python with onnxruntime and numpy: the test of score.onnx there is skipped\n');
const suite = python === undefined ? describe.skip : describe;

const folder = mkdtempSync(join(tmpdir(), 'vaemon-onnxruntime-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cases: [string, Partial<AnyModelSpec>][] = [
  ...modelKinds.map((kind): [string, Partial<AnyModelSpec>] => [kind, { kind }]),
  ['vae, conv1d, student-t', { kind: 'vae', network: 'conv1d', likelihood: 'student-t', hidden: [6] }],
];

/** Windows that no calibration rests on. */
function goldenOf(dataset: Dataset): WindowBatch {
  const batch = createWindowBatch(dataset.shape, 16);
  for (let i = 0; i < 16; i++) dataset.copy(dataset.ends[i * 40]!, batch);
  return batch;
}

/** Trains, stores a version, and lays its files where Python finds them. */
async function publish(name: string, model: Partial<AnyModelSpec>): Promise<string> {
  const { dataset, table } = createDataset(1500, 1);
  const settings: TrainingOptions = { ...options, model: { ...options.model, ...model }, epochs: 4 };
  const trained = await train(dataset, table, settings);
  try {
    const files = await encodeBundle(trained, goldenOf(dataset), table, openSession);
    const store = createModelStore({
      directory: join(folder, 'store'),
      detector: name.replaceAll(/\W+/g, '-'),
    });
    const version = await store.publish(files, {});
    const stored = (await store.read(version)).files;
    // vaemon scores with the graph of the version, which must have the golden scores.
    const detector = await decodeBundle(version, stored, table, openSession);
    expect(detector.engine).toBe('onnxruntime');
    detector.dispose();
    const out = join(folder, name);
    mkdirSync(out);
    writeFileSync(join(out, 'golden.json'), stored.get('golden.json')!);
    const { state, model } = decodeModel(version, stored);
    writeFileSync(join(out, 'score.onnx'), traceWithScaler(model, state));
    disposeModel(model);
    return out;
  } finally {
    disposeModel(trained.model);
  }
}

suite("Python's onnxruntime", () => {
  const differences = new Map<string, Record<string, number>>();

  beforeAll(async () => {
    await openTestBackend('wasm');
    const folders: string[] = [];
    for (const [name, model] of cases) folders.push(await publish(name, model));
    const script = join(__dirname, '../reference/score_onnx.py');
    const output = execFileSync(python!, [script, ...folders], { encoding: 'utf8' });
    const all = JSON.parse(output) as Record<string, number>[];
    cases.forEach(([name], i) => differences.set(name, all[i]!));
  }, 300_000);

  test.each(cases)('scores as vaemon does: %s', (name) => {
    const found = differences.get(name)!;
    expect(Object.keys(found)).toEqual(expect.arrayContaining(['reconstruction', 'latent', 'newest']));
    for (const [statistic, difference] of Object.entries(found))
      expect([statistic, difference < 1e-5 ? 'agrees' : difference]).toEqual([statistic, 'agrees']);
  });
});
