/** Scores and trains the models of the bench on one engine: `engine.mjs ENGINE FOLDER`, with `onnxruntime`, `tfjs-wasm` or `tfjs-node`. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { answer } from '../lib/answer.mjs';
import { createBenchModel } from '../lib/models.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { openBackend, createRandom, decodeSafetensors } = dist('tensor');
const { openSession } = dist('onnx/session');
const { createTfjsEngine } = dist('scoring/engine');
const { openGraph } = dist('scoring/onnx-engine');
const { traceScoring } = dist('scoring/trace');
const { createTfjsStepper } = dist('training/stepper');
const { createTracedStepper } = dist('training/traced-stepper');

const [engineName, folder] = process.argv.slice(2);
const traced = engineName === 'onnxruntime';
await openBackend(engineName === 'tfjs-node' ? 'tfjs-node' : 'wasm');

/** What every contender reports, so that they can be held to each other. */
const wanted = ['reconstruction', 'latent', 'contributions', 'meanErrors', 'expectedOfChannels'];
const cache = new Map();

async function prepare(name) {
  if (cache.has(name)) return cache.get(name);
  const { model, state, encoder, channelMap } = createBenchModel(name);
  const open = traced ? await openGraph(traceScoring(model, state), openSession) : createTfjsEngine;
  const engine = open(model, encoder, channelMap);
  const parts = { model, phases: model.phases, layout: encoder, learningRate: 1e-3 };
  const stepper = traced ? await createTracedStepper(parts, openSession) : createTfjsStepper(parts);
  const { tensors } = decodeSafetensors(readFileSync(join(folder, `${name}.inputs.safetensors`)));
  const inputs = Object.fromEntries([...tensors].map(([key, { data }]) => [key, data]));
  const prepared = { encoder, engine, stepper, inputs };
  cache.set(name, prepared);
  return prepared;
}

function buffersOf({ encoder, inputs }, batch) {
  const buffers = encoder.createBuffers(batch);
  for (const key of ['x', 'mask', 'c']) {
    for (let i = 0; i < buffers[key].length; i++) buffers[key][i] = inputs[key][i % inputs[key].length];
  }
  return buffers;
}

/**
 * Runs `work` for about so long; how many times a second it ran, by the median time of a run, and how many times a second of CPU time,
 * which other load on the machine changes less.
 */
async function pace(work, seconds, rows = 1) {
  const times = [];
  await work();
  const used = process.cpuUsage();
  for (const began = performance.now(); performance.now() - began < 1000 * seconds || times.length < 5;) {
    const before = performance.now();
    await work();
    times.push(performance.now() - before);
  }
  const { user, system } = process.cpuUsage(used);
  times.sort((a, b) => a - b);
  return {
    perSecond: (1000 * rows) / times[times.length >> 1],
    perCpuSecond: (1e6 * rows * times.length) / (user + system),
  };
}

await answer({ engine: engineName, node: process.versions.node }, async (request) => {
  const prepared = await prepare(request.model);
  const buffers = buffersOf(prepared, request.batch);
  if (request.what === 'outputs') {
    const outputs = await prepared.engine.run(buffers, request.batch, wanted);
    return Object.fromEntries(wanted.map((name) => [name, Array.from(outputs[name])]));
  }
  if (request.what === 'score') {
    const run = () => prepared.engine.run(buffers, request.batch, wanted);
    return pace(run, request.seconds, request.batch);
  }
  const random = createRandom(1);
  let step = 0;
  const run = () => prepared.stepper.step({ buffers, count: request.batch }, random, step++);
  return pace(run, request.seconds);
});
