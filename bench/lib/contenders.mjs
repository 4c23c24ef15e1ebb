/**
 * Contenders: processes that do the same work, each in its own way, one measured run at a time. A run is asked for with a line
 * of JSON and answered with one. They take turns, so that whatever else the machine does strikes all of them alike; what
 * counts is the ratio of their medians.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** One thread for each: libraries that would start a pool are told not to. */
export const oneThread = {
  OMP_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  TF_NUM_INTRAOP_THREADS: '1',
  TF_NUM_INTEROP_THREADS: '1',
};

/** A Python with what bench/python/requirements.txt names: VAEMON_BENCH_PYTHON, or the one that `npm run bench -- setup` makes. */
export function findPython() {
  const made = new URL('../../.cache/bench/venv/bin/python', import.meta.url).pathname;
  return process.env.VAEMON_BENCH_PYTHON ?? (existsSync(made) ? made : undefined);
}

/** Starts a contender; resolves when it says that it is ready, with what it says of itself. */
export async function startContender(name, command, args, env = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...oneThread, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = [];
  let failure;
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) waiting.shift()?.resolve(JSON.parse(line));
    else process.stderr.write(`${name}: ${line}\n`);
  });
  const fail = (error) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  child.once('error', fail);
  child.once('exit', (code, signal) => fail(new Error(`${name} ended (${signal ?? code})`)));
  const next = () =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) reject(failure);
      else waiting.push({ resolve, reject });
    });
  const about = await next();
  return {
    name,
    about,
    pid: child.pid,
    ask(request) {
      const answer = next();
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return answer;
    },
    end() {
      child.stdin.end();
      return new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) resolve();
        else child.once('exit', resolve);
      });
    },
  };
}

/** Lets the contenders take turns; the answers to `request` by name. */
export async function alternate(contenders, request, rounds) {
  const answers = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Who begins has another machine before it than who follows.
    const order = round % 2 === 0 ? contenders : [...contenders].reverse();
    for (const contender of order) answers.get(contender.name).push(await contender.ask(request));
  }
  return answers;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Smallest and largest, as a share of the median: how far to trust it. */
export function spread(values) {
  const middle = median(values);
  return `${Math.round((100 * Math.min(...values)) / middle)}–${Math.round((100 * Math.max(...values)) / middle)} %`;
}
