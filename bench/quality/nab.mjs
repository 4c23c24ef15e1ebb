/** NAB as series: the first 15 % of a file, at most 750 records, are for training; a record in a window is anomalous. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const trainShare = 0.15;
const maxTrainRecords = 750;

/**
 * Writes NAME.train.csv, NAME.test.csv and labels/NAME.label.csv for every file of `source`.
 * @returns by name: times of all records and windows, Unix ms, and the number of training records
 */
export function prepareNab(source, folder, isWanted = () => true) {
  mkdirSync(join(folder, 'labels'), { recursive: true });
  const windows = JSON.parse(readFileSync(join(source, 'labels/combined_windows.json'), 'utf8'));
  const groups = readdirSync(source).filter(
    (name) => name !== 'labels' && statSync(join(source, name)).isDirectory(),
  );
  const files = new Map();
  for (const group of groups) {
    for (const file of readdirSync(join(source, group)).filter((name) => name.endsWith('.csv'))) {
      const name = file.replace('.csv', '');
      if (!isWanted(name)) continue;
      const [, ...lines] = readFileSync(join(source, group, file), 'utf8')
        .trim()
        .split(/\r?\n/);
      const rows = lines.map((line) => line.split(',')).map(([time, value]) => ({ time: utc(time), value }));
      const cut = Math.min(Math.floor(trainShare * rows.length), maxTrainRecords);
      const spans = (windows[`${group}/${file}`] ?? []).map((span) =>
        span.map((time) => Date.parse(utc(time))),
      );
      const anomalous = ({ time }) =>
        spans.some(([from, to]) => Date.parse(time) >= from && Date.parse(time) <= to);
      const csv = (part) =>
        `timestamp,value\n${part.map(({ time, value }) => `${time},${value}\n`).join('')}`;
      const labels = rows.slice(cut).map((row, i) => `${i},${anomalous(row) ? 1 : 0}\n`);
      writeFileSync(join(folder, `${name}.train.csv`), csv(rows.slice(0, cut)));
      writeFileSync(join(folder, `${name}.test.csv`), csv(rows.slice(cut)));
      writeFileSync(join(folder, 'labels', `${name}.label.csv`), `index,label\n${labels.join('')}`);
      files.set(name, { times: rows.map(({ time }) => Date.parse(time)), windows: spans, cut });
    }
  }
  return files;
}

/** `2014-04-01 00:00:00` or `2014-04-01 00:00:00.000000`, which says nothing of a zone. */
function utc(time) {
  return `${time.slice(0, 19).replace(' ', 'T')}Z`;
}

/** Weight of a false alarm in NAB's standard profile; a found and a missed window weigh 1. */
const falseAlarmWeight = 0.11;

/**
 * NAB's score of the standard profile (Lavin and Ahmad 2015, section III), normalised: 0 = no alarm at all, 100 = every window
 * found at its first record and no false alarm. Each opened event is one alarm, at the record with which it opens.
 * @param files from `prepareNab`
 * @param openedAt by name, the times at which events opened, Unix ms
 */
export function nabScore(files, openedAt) {
  let [score, windows, found, falseAlarms] = [0, 0, 0, 0];
  for (const [name, file] of files) {
    const one = scoreFile(file, openedAt.get(name) ?? []);
    score += one.score;
    windows += one.windows;
    found += one.found;
    falseAlarms += one.falseAlarms;
  }
  return { score: (100 * (score + windows)) / (2 * windows), windows, found, falseAlarms };
}

function scoreFile({ times, windows, cut }, openedAt) {
  const rows = windows.map(([from, to]) => ({
    first: times.findIndex((time) => time >= from),
    last: times.findLastIndex((time) => time <= to),
    best: -1,
  }));
  const judged = rows.filter(({ first, last }) => first <= last && last >= cut);
  let [falseScore, falseAlarms] = [0, 0];
  for (const time of openedAt) {
    const row = times.findIndex((one, i) => i >= cut && one >= time);
    const inside = judged.find(({ first, last }) => row >= first && row <= last);
    if (inside !== undefined) {
      const { first, last } = inside;
      // The earliest alarm of a window counts: it has the highest score.
      inside.best = Math.max(inside.best, sigmoid(-(last - row + 1) / (last - first + 1)) / sigmoid(-1));
      continue;
    }
    falseAlarms++;
    const before = judged.findLast(({ last }) => last < row);
    const past = before && (row - before.last) / (before.last - before.first);
    falseScore += falseAlarmWeight * (past === undefined ? -1 : sigmoid(past));
  }
  return {
    score: judged.reduce((sum, { best }) => sum + best, falseScore),
    windows: judged.length,
    found: judged.filter(({ best }) => best > -1).length,
    falseAlarms,
  };
}

/** NAB's scaled sigmoid: 0.99 at the beginning of a window (-1), 0 at its end, -1 far behind it. */
function sigmoid(position) {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}
