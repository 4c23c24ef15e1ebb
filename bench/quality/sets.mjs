/** The sets of the table: how each is prepared, which detector judges it, and what is said of it besides the metrics. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { judgeHost, prepareHost } from './host.mjs';
import { imageSets, prepareImages } from './images.mjs';
import { nabScore, prepareNab } from './nab.mjs';
import { judgePlants, preparePlants } from './plants.mjs';
import { judgePumps, preparePumps } from './pumps.mjs';

const secondMs = 1000;
const minuteMs = 60 * secondMs;

/**
 * Time between two records of the sets whose files have none, ms: a target per day rests on it. That of SMAP and MSL was not
 * published.
 */
const intervals = {
  skab: secondMs,
  smd: minuteMs,
  asd: 5 * minuteMs,
  tep: 3 * minuteMs,
  smap: minuteMs,
  msl: minuteMs,
};

/** Of the first training record. */
const firstTime = Date.UTC(2025, 0, 6);

export const setNames = [
  'host',
  'host retrained',
  'skab',
  'smd',
  'asd',
  'tep',
  'smap',
  'msl',
  'nab',
  'pumps',
  'plants',
].concat(imageSets);

/** Faults of the Tennessee Eastman plant that can hardly be seen. */
const faintFaults = ['d03_te', 'd09_te'];

/**
 * Prepares a set in `folder`.
 * @param options `root` of the project; `data`, the folder of the sets; `isWanted`, which series, by name; `untimed`, whether
 *   files without times stay so; `python`, which returns the path of one
 * @returns undefined if the set is not there; else `detector`, paths of `train`, `test` and `labels`, `arguments` for
 *   evaluate, and `facts`, which makes an object of further results from the output of evaluate
 */
export function prepareSet(set, folder, options) {
  const { root, data, isWanted } = options;
  const shipped = (name) => join(root, 'config/evaluate', `${name}.yaml`);
  const prepared = (detector, more = {}) => ({
    detector,
    train: folder,
    test: folder,
    labels: join(folder, 'labels'),
    arguments: [],
    facts: () => ({}),
    ...more,
  });

  if (set === 'host' || set === 'host retrained') {
    // What is normal on this machine depends on what it is asked to do, which the demo's detector knows.
    const detector = join(root, 'config/demo/detectors/host.yaml');
    const { schedule } = parse(readFileSync(detector, 'utf8')).training;
    const faults = prepareHost(join(root, 'data/host'), folder);
    return prepared(detector, {
      arguments: set === 'host' ? [] : [`--retrain=${schedule}`],
      facts({ judgement, details }) {
        const { found, falseEvents } = judgeHost(faults, details[0].events);
        const { far } = judgement.micro;
        return {
          'faults found': found,
          faults: faults.length,
          'false events': falseEvents,
          'false alarms / target': far / 100 / details[0].target,
        };
      },
    });
  }
  if (imageSets.includes(set)) {
    return prepareImages(join(data, 'images'), set, folder) ? prepared(shipped('image')) : undefined;
  }
  if (set === 'plants') {
    const faults = preparePlants(folder, isWanted);
    return prepared(shipped('sensor'), { facts: ({ details }) => judgePlants(faults, details) });
  }
  const source = join(data, set);
  if (!existsSync(source)) return undefined;
  if (set === 'nab') {
    const files = prepareNab(source, folder, isWanted);
    return prepared(shipped('sensor'), {
      facts({ details }) {
        const opened = details.map((one) => [one.series, one.events.map(({ openedAt }) => openedAt)]);
        const { score, windows, found, falseAlarms } = nabScore(files, new Map(opened));
        return { 'standard score': score, 'windows found': found, windows, 'false alarms': falseAlarms };
      },
    });
  }
  if (set === 'pumps') {
    const faults = preparePumps(source, folder, options.python(), isWanted);
    return prepared(join(root, 'bench/quality/pumps.yaml'), {
      facts({ details }) {
        const judged = judgePumps(faults, details[0].events);
        const faultFacts = judged.faults.map((one) => [`${one.key} ${one.kind}`, afterText(one)]);
        return {
          'faults found in time': judged.inTime,
          faults: faults.length,
          'false events in a day': judged.falseEvents,
          ...Object.fromEntries(faultFacts),
        };
      },
    });
  }
  prepareFiles(source, folder, options.untimed ? undefined : intervals[set], isWanted);
  if (set !== 'tep') return prepared(shipped('sensor'));
  return prepared(shipped('sensor'), {
    train: join(folder, 'd00.train.csv'),
    facts({ judgement }) {
      const seen = Object.entries(judgement.series).filter(
        ([name, { events }]) => events > 0 && !faintFaults.includes(name),
      );
      const recalls = seen.map(([, { recall }]) => recall);
      return { 'recall without faults 3 and 9': recalls.reduce((a, b) => a + b, 0) / recalls.length };
    },
  });
}

function afterText({ afterMinutes, within, events }) {
  if (afterMinutes === undefined) return 'not found';
  return `after ${afterMinutes.toFixed(1)} min (within ${within}), ${events} events`;
}

/** Files of series, with a column of times if `interval` is given. Test records follow those of the training. */
function prepareFiles(source, folder, interval, isWanted) {
  mkdirSync(join(folder, 'labels'), { recursive: true });
  const named = (path, ending) =>
    readdirSync(path).flatMap((file) => {
      const name = file.replace(ending, '');
      return name === file ? [] : [{ name, path: join(path, file) }];
    });
  const trains = named(source, /\.train\.csv\.gz$/);
  const isShared = trains.length === 1;
  const lengths = new Map();
  for (const { name, path } of trains.filter((one) => isShared || isWanted(one.name)))
    lengths.set(name, copyTimed(path, join(folder, `${name}.train.csv`), interval, 0));
  for (const { name, path } of named(source, /\.test\.csv\.gz$/).filter((one) => isWanted(one.name)))
    copyTimed(
      path,
      join(folder, `${name}.test.csv`),
      interval,
      lengths.get(isShared ? trains[0].name : name),
    );
  for (const { name, path } of named(join(source, 'labels'), /\.label\.csv\.gz$/).filter((one) =>
    isWanted(one.name),
  ))
    symlinkSync(path, join(folder, 'labels', `${name}.label.csv.gz`));
}

/** @returns number of records */
function copyTimed(from, to, interval, first) {
  const [head, ...rows] = gunzipSync(readFileSync(from)).toString().trim().split(/\r?\n/);
  const timeOf = (i) => new Date(firstTime + (first + i) * interval).toISOString();
  const lines =
    interval === undefined
      ? [head, ...rows]
      : [`timestamp,${head}`, ...rows.map((row, i) => `${timeOf(i)},${row}`)];
  writeFileSync(to, `${lines.join('\n')}\n`);
  return rows.length;
}
