/** A plant of pumps with faults as people have them: `plant.py` writes its history, a day with faults, and the truth. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const channels = ['flow_m3h', 'p_in_bar', 'p_out_bar', 'motor_a', 'temp_c', 'vib_mm_s'];

/** An event that opens this long after a fault is still one of the fault, ms. */
const afterEffectsMs = 3_600_000;

/**
 * Writes pumps.train.csv, pumps.test.csv and labels/pumps.label.csv.
 * @param isWanted which pumps, by key
 * @returns the faults: `key`, `start` and `end` (Unix ms), `kind`, `within` (minutes)
 */
export function preparePumps(source, folder, python, isWanted = () => true) {
  mkdirSync(join(folder, 'labels'), { recursive: true });
  execFileSync(python, [join(source, 'plant.py'), folder]);
  const faults = JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')).filter(({ key }) =>
    isWanted(key),
  );
  const read = (name) =>
    readFileSync(join(folder, `${name}.ndjson`), 'utf8')
      .trim()
      .split('\n')
      .flatMap(parse)
      .filter(({ device }) => isWanted(device.id));
  const write = (part, records) =>
    writeFileSync(
      join(folder, `pumps.${part}.csv`),
      [['key', 'timestamp', 'mode', ...channels].join(), ...records.map(toRow), ''].join('\n'),
    );
  write('train', read('history'));
  const live = read('live');
  write('test', live);
  const anomalous = ({ device, ts }) =>
    faults.some(({ key, start, end }) => key === device.id && ts >= start && ts <= end);
  const labels = live.map((record, i) => `${i},${anomalous(record) ? 1 : 0}`);
  writeFileSync(join(folder, 'labels/pumps.label.csv'), ['index,label', ...labels, ''].join('\n'));
  return faults;
}

/** No record for a broken line. */
function parse(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

function toRow({ device, ts, state, m }) {
  return [device.id, new Date(ts).toISOString(), state.mode, ...channels.map((name) => m[name] ?? '')].join();
}

/**
 * What became of each fault, and the events that are of none.
 * @param events of the detector: `key`, `openedAt` (Unix ms)
 */
export function judgePumps(faults, events) {
  const found = faults.map(({ key, start, end, kind, within }) => {
    const opened = events
      .filter(
        (event) =>
          (event.keys ?? [event.key]).includes(key) &&
          event.openedAt >= start &&
          event.openedAt <= end + afterEffectsMs,
      )
      .map(({ openedAt }) => (openedAt - start) / 60_000);
    const afterMinutes = opened.length === 0 ? undefined : Math.min(...opened);
    return { key, kind, within, afterMinutes, inTime: afterMinutes <= within, events: opened.length };
  });
  const isFalse = ({ key, keys = [key], openedAt }) =>
    !faults.some(
      (one) => keys.includes(one.key) && openedAt >= one.start && openedAt <= one.end + afterEffectsMs,
    );
  const falseEvents = events.filter(isFalse).length;
  return { faults: found, inTime: found.filter(({ inTime }) => inTime).length, falseEvents };
}
