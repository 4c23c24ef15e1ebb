/** NAB as series: the first 15 % of a file, at most 750 records, are for training; a record in a window is anomalous. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const trainShare = 0.15;
const maxTrainRecords = 750;

/** Writes NAME.train.csv, NAME.test.csv and labels/NAME.label.csv for every file of `source`. */
export function prepareNab(source, folder) {
  mkdirSync(join(folder, 'labels'), { recursive: true });
  const windows = JSON.parse(readFileSync(join(source, 'labels/combined_windows.json'), 'utf8'));
  const groups = readdirSync(source).filter(
    (name) => name !== 'labels' && statSync(join(source, name)).isDirectory(),
  );
  for (const group of groups) {
    for (const file of readdirSync(join(source, group)).filter((name) => name.endsWith('.csv'))) {
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
      const name = file.replace('.csv', '');
      const csv = (part) =>
        `timestamp,value\n${part.map(({ time, value }) => `${time},${value}\n`).join('')}`;
      const labels = rows.slice(cut).map((row, i) => `${i},${anomalous(row) ? 1 : 0}\n`);
      writeFileSync(join(folder, `${name}.train.csv`), csv(rows.slice(0, cut)));
      writeFileSync(join(folder, `${name}.test.csv`), csv(rows.slice(cut)));
      writeFileSync(join(folder, 'labels', `${name}.label.csv`), `index,label\n${labels.join('')}`);
    }
  }
}

/** `2014-04-01 00:00:00` or `2014-04-01 00:00:00.000000`, which says nothing of a zone. */
function utc(time) {
  return `${time.slice(0, 19).replace(' ', 'T')}Z`;
}
