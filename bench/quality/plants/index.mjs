/**
 * Plants that are computed, with faults whose place is known. A plant of a kind and a seed is always the same.
 *
 * A kind gives
 * - `interval`, ms, `history` and `test`, records of each device;
 * - `channels`: `name`, `decimals`, and perhaps `quantum`, of which values are multiples; `missing`, the share of records without a
 *   value; and `every`, if there is a value only in each n-th record;
 * - `devices`, how many have the same channels, if not one;
 * - `faults(random)`: objects with `kind`, `lasts` (shortest and longest, records), perhaps `recovers` (records after it in which
 *   the plant is not yet as it would be), and constants of the fault; those of sensors.mjs
 *   are done there, all others by the plant;
 * - `start(random, device)`: returns `step(i, fault)`, which computes record i and returns the values of its channels in
 *   order. `fault` is undefined, or one of `faults` with `at`, the records since its beginning, and `length`, how many it lasts.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { battery } from './battery.mjs';
import { chiller } from './chiller.mjs';
import { furnace } from './furnace.mjs';
import { machine } from './machine.mjs';
import { createRandom } from './numbers.mjs';
import { pumping } from './pumping.mjs';
import { reactor } from './reactor.mjs';
import { createSensors } from './sensors.mjs';
import { service } from './service.mjs';
import { trucks } from './trucks.mjs';
import { turbine } from './turbine.mjs';
import { water } from './water.mjs';

export const kinds = {
  water,
  chiller,
  machine,
  service,
  turbine,
  pumping,
  trucks,
  battery,
  reactor,
  furnace,
};
export const seeds = [1, 2];
export const plantNames = Object.keys(kinds).flatMap((kind) => seeds.map((seed) => `${kind}-${seed}`));

/** A Monday, in winter. */
export const firstTime = Date.UTC(2024, 0, 1);

/**
 * Writes `NAME.train.csv.gz`, `NAME.test.csv.gz`, `labels/NAME.label.csv.gz` (`index,label`) and `NAME.faults.json`.
 * @param name kind, one of `kinds`
 * @returns the faults: `kind`, `start` and `end` (Unix ms, of the first and the last labelled record), `key` if there are devices
 */
export function makePlant(name, seed, folder) {
  const { header, history, test, labels, faults } = computePlant(name, seed);
  const file = (path, lines) =>
    writeFileSync(join(folder, `${path}.csv.gz`), gzipSync(`${lines.join('\n')}\n`));
  mkdirSync(join(folder, 'labels'), { recursive: true });
  file(`${name}-${seed}.train`, [header, ...history]);
  file(`${name}-${seed}.test`, [header, ...test]);
  file(`labels/${name}-${seed}.label`, ['index,label', ...labels.map((label, i) => `${i},${label}`)]);
  writeFileSync(join(folder, `${name}-${seed}.faults.json`), `${JSON.stringify(faults, null, 1)}\n`);
  return faults;
}

/**
 * @param options `acting`: which faults act, by their index in order of time; the noise is the same without them
 * @returns `header`, rows of `history` and of `test`, `labels` of the test's rows (0 or 1), and `faults` as of makePlant
 */
export function computePlant(name, seed, { acting = () => true } = {}) {
  const kind = kinds[name];
  const random = createRandom(seed, name);
  const devices = kind.devices ?? 1;
  const keyOf = (device) => `${name}-${String(device + 1).padStart(2, '0')}`;
  const faults = placeFaults(kind, random.split('faults'));
  const timeOf = (i) => firstTime + i * kind.interval;
  const header = [
    'timestamp',
    ...(devices > 1 ? ['key'] : []),
    ...kind.channels.map((channel) => channel.name),
  ].join();

  const history = [];
  const test = [];
  const labels = [];
  const started = Array.from({ length: devices }, (_, device) => ({
    step: kind.start(random.split(`device ${device}`), device),
    sense: createSensors(kind.channels, random.split(`sensors ${device}`)),
    missing: random.split(`missing ${device}`),
    faults: faults.filter((fault) => fault.device === device),
  }));
  for (let i = 0; i < kind.history + kind.test; i += 1) {
    started.forEach(({ step, sense, missing, faults: own }, device) => {
      const labelled = own.find(({ from, until }) => i >= from && i < until);
      const acts =
        labelled !== undefined && i < labelled.from + labelled.length && acting(faults.indexOf(labelled));
      const fault = acts ? { ...labelled, at: i - labelled.from } : undefined;
      const values = sense(step(i, fault), i, fault);
      const cells = kind.channels.map((channel, c) => {
        const isMissing = channel.missing !== undefined && missing.chance(channel.missing);
        return isMissing || i % (channel.every ?? 1) !== 0 ? '' : format(values[c], channel);
      });
      const key = devices > 1 ? [keyOf(device)] : [];
      (i < kind.history ? history : test).push([new Date(timeOf(i)).toISOString(), ...key, ...cells].join());
      if (i >= kind.history) labels.push(labelled === undefined ? 0 : 1);
    });
  }
  return {
    header,
    history,
    test,
    labels,
    faults: faults.map(({ kind: what, from, until, device }) => ({
      kind: what,
      start: timeOf(from),
      end: timeOf(until - 1),
      ...(devices > 1 ? { key: keyOf(device) } : {}),
    })),
  };
}

/** Without a minus before a zero. */
function format(value, { decimals, quantum }) {
  const text = (quantum === undefined ? value : Math.round(value / quantum) * quantum).toFixed(decimals);
  return Number(text) === 0 ? (0).toFixed(decimals) : text;
}

/**
 * The faults, by time. Each is somewhere in its own part of the test; or in all of it, where each has a device of its own.
 */
function placeFaults(kind, random) {
  const faults = random.shuffle(kind.faults(random));
  const devices = random.shuffle(Array.from({ length: kind.devices ?? 1 }, (_, device) => device));
  const parts = devices.length < faults.length ? faults.length : 1;
  const part = Math.floor(kind.test / parts);
  const placed = faults.map((fault, i) => {
    const length = random.whole(...fault.lasts);
    const labelled = length + (fault.recovers ?? 0);
    // What is free is shared by the time before and after the fault; some of it is always before.
    const free = part - labelled;
    if (free < part / 4) throw new Error(`${fault.kind} lasts too long for its part of the test`);
    const from = kind.history + (i % parts) * part + random.whole(Math.ceil(free / 5), free);
    return { ...fault, length, from, until: from + labelled, device: devices[i % devices.length] };
  });
  return placed.sort((a, b) => a.from - b.from);
}
