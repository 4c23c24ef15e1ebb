/** Engines: windows scored and steps trained a second, on one thread, against PyTorch. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alternate, findPython, median, spread, startContender } from '../lib/contenders.mjs';
import { createBenchModel } from '../lib/models.mjs';
import { writeWeights } from '../lib/version.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const script = (path) => new URL(path, import.meta.url).pathname;

function isInstalled(name) {
  try {
    return require.resolve(name) !== '';
  } catch {
    return false;
  }
}

/** Weights, inputs and graphs, for contenders of any kind. */
async function writeModels(folder) {
  const { openBackend, createRandom, encodeSafetensors } = dist('tensor');
  const { traceScoring } = dist('scoring/trace');
  await openBackend('wasm');
  for (const name of ['M1', 'M2']) {
    const { model, state, encoder, spec } = createBenchModel(name);
    const random = createRandom(3);
    const rows = 64;
    const matrix = (width, value) => ({
      dtype: 'F32',
      shape: [rows, width],
      data: Float32Array.from({ length: rows * width }, value),
    });
    const pixels = spec.likelihood === 'bernoulli';
    const inputs = new Map([
      ['x', matrix(encoder.dim, () => (pixels ? random.uniform() : random.normal()))],
      ['mask', matrix(encoder.dim, () => 1)],
      ['c', matrix(spec.conditionDim, (_, i) => (i % 3 === 0 ? 1 : 0))],
    ]);
    writeFileSync(join(folder, `${name}.inputs.safetensors`), encodeSafetensors(inputs));
    writeWeights(model, join(folder, `${name}.weights.safetensors`));
    writeFileSync(join(folder, `${name}.onnx`), traceScoring(model, state));
  }
}

/** All must say the same of the same windows, or their speeds mean nothing. */
async function compareOutputs(contenders) {
  for (const model of ['M1', 'M2']) {
    const answers = await Promise.all(
      contenders.map((one) => one.ask({ what: 'outputs', model, batch: 48 })),
    );
    for (const [name, expected] of Object.entries(answers[0])) {
      answers.forEach((outputs, k) => {
        const furthest = Math.max(
          ...expected.map((value, i) => Math.abs(outputs[name][i] - value) / Math.max(1, Math.abs(value))),
        );
        if (!(furthest < 1e-3))
          throw new Error(
            `${contenders[k].name} has another ${name} of ${model} (${furthest}): it computes something else`,
          );
      });
    }
  }
}

export async function run({ rounds, seconds, log }) {
  const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
  const contenders = [];
  try {
    await writeModels(folder);
    const node = (engine) =>
      startContender(`vaemon, ${engine}`, process.execPath, [
        script('../contenders/engine.mjs'),
        engine,
        folder,
      ]);
    contenders.push(await node('onnxruntime'));
    const python = findPython();
    if (python === undefined)
      log('no Python for the comparison: npm run bench -- setup, or VAEMON_BENCH_PYTHON');
    else {
      for (const engine of ['pytorch', 'onnxruntime'])
        contenders.push(
          await startContender(`Python, ${engine}`, python, [script('../python/engine.py'), engine, folder]),
        );
    }
    contenders.push(await node('tfjs-wasm'));
    if (isInstalled('@tensorflow/tfjs-node')) contenders.push(await node('tfjs-node'));
    else log('tfjs-node is not installed: left out');
    await compareOutputs(contenders);

    const rows = [];
    const cases = [
      ...['M1', 'M2'].flatMap((model) =>
        [1, 32, 256, 1024].map((batch) => ({ what: 'score', model, batch })),
      ),
      ...['M1', 'M2'].map((model) => ({ what: 'train', model, batch: 128 })),
    ];
    for (const one of cases) {
      const slow = (name) => /tfjs/.test(name);
      // Python's ONNX Runtime trains nothing; tfjs is measured less often, for it takes long.
      const taking = contenders.filter(({ name }) => one.what === 'score' || name !== 'Python, onnxruntime');
      const fast = await alternate(
        taking.filter(({ name }) => !slow(name)),
        { ...one, seconds },
        rounds,
      );
      const others = await alternate(
        taking.filter(({ name }) => slow(name)),
        { ...one, seconds },
        Math.ceil(rounds / 3),
      );
      const results = [...fast, ...others].map(([name, answers]) => {
        const values = answers.map(({ perSecond }) => perSecond);
        const perCpuSecond = median(answers.map((each) => each.perCpuSecond));
        return { name, perSecond: median(values), perCpuSecond, spread: spread(values) };
      });
      const peer = results.find(({ name }) => name === 'Python, pytorch');
      rows.push({
        ...one,
        results: results.map((result) => ({
          ...result,
          ratio: result.perSecond / peer?.perSecond,
          cpuRatio: result.perCpuSecond / peer?.perCpuSecond,
        })),
      });
      log(
        `${one.what} ${one.model}, batch ${one.batch}: ${results.map(({ name, perSecond }) => `${name} ${Math.round(perSecond)}/s`).join('; ')}`,
      );
    }
    return { rows, contenders: contenders.map(({ name, about }) => ({ name, ...about })) };
  } finally {
    await Promise.all(contenders.map((one) => one.end()));
    rmSync(folder, { recursive: true });
  }
}

export function format({ rows }) {
  const lines = [
    '| what | model | batch | engine | a second | spread | a CPU second | × PyTorch | × PyTorch, a CPU second |',
    '| ---- | ----- | ----: | ------ | -------: | ------ | -----------: | --------: | ----------------------: |',
  ];
  for (const { what, model, batch, results } of rows) {
    for (const { name, perSecond, perCpuSecond, spread: range, ratio, cpuRatio } of results) {
      const unit = what === 'score' ? 'windows' : 'steps';
      const times = (value) => (Number.isFinite(value) ? value.toFixed(2) : '–');
      const whole = (value) => Math.round(value).toLocaleString('en');
      const cells = [what, model, batch, name, `${whole(perSecond)} ${unit}`, range, whole(perCpuSecond)];
      lines.push(`| ${[...cells, times(ratio), times(cpuRatio)].join(' | ')} |`);
    }
  }
  return lines.join('\n');
}
