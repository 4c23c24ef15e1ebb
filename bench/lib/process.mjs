/** What a process has used, from the outside and all threads together: the same for any language. */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const ticksPerSecond = 100;

/** CPU time, user and system, in seconds. */
export function cpuSeconds(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Memory in MB: now, or the most so far. */
export function residentMb(pid, which = 'now') {
  const name = which === 'peak' ? 'VmHWM' : 'VmRSS';
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)[1]) / 1000;
}

/** Sum over all series of a metric that a process serves. */
export async function metric(url, name) {
  const text = await (await fetch(url)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Resolves with what `condition` returns as soon as that is truthy. */
export async function until(condition, { everyMs = 50, withinMs = 600_000, what = 'a condition' } = {}) {
  const begun = Date.now();
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() - begun > withinMs) throw new Error(`waited ${withinMs / 1000} s for ${what}`);
    await wait(everyMs);
  }
}
