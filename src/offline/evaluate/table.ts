/** Formats the report of an evaluation as a table. */
import { formatTable } from '../table';
import type { Judgement, MacroMetrics, SeriesMetrics } from './quality/judgement';
import type { DetectionPower } from '../../scoring/detection-power';
import type { Rank } from './quality/rank';
import type { EvaluationReport } from './quality/report';
import type { Training, UsedThreshold } from './evaluate';

type Row = Partial<SeriesMetrics> & Pick<MacroMetrics, 'rocAuc' | 'f1'>;

type Column = readonly [title: string, show: (row: Row) => string];

const columns: readonly Column[] = [
  ['records', ({ records, events }) => (events === undefined ? '' : number(records, 0))],
  ['anomalous', ({ anomalousRatio }) => percent(anomalousRatio)],
  ['ROC-AUC', ({ rocAuc }) => share(rocAuc)],
  ['PR-AUC', ({ prAuc }) => share(prAuc)],
  ['VUS-PR', ({ vusPr }) => share(vusPr)],
  ['VUS-PR (TSB)', ({ vusPrTsb }) => share(vusPrTsb)],
  ['F1', ({ f1 }) => share(f1)],
  ['precision', ({ precision }) => share(precision)],
  ['recall', ({ recall }) => share(recall)],
  ['FAR', ({ far }) => percent(far === undefined ? undefined : far / 100)],
  ['MAR', ({ mar }) => percent(mar === undefined ? undefined : mar / 100)],
  ['flagged', ({ eventRecall }) => share(eventRecall)],
  ['delay', ({ delay }) => number(delay, 0)],
  ['events found', ({ foundEvents, events, foundRatio }) => countOrShare(foundEvents, events, foundRatio)],
  ['opened', ({ openedEvents }) => number(openedEvents, 0)],
  ['event precision', ({ eventPrecision }) => share(eventPrecision)],
];

/** Columns for events that were found or false but held back by the budget. */
const heldBackColumns: readonly Column[] = [
  [
    'without budget',
    ({ foundBeforeHoldingBack, events, foundRatioBeforeHoldingBack }) =>
      countOrShare(foundBeforeHoldingBack, events, foundRatioBeforeHoldingBack),
  ],
  ['held back', ({ heldBackEvents }) => number(heldBackEvents, 0)],
];

/** False events, per day if any series has times. */
function falseEventsColumn({ macro }: Judgement): Column {
  return Number.isNaN(macro.falseEventsPerDay)
    ? ['false/1,000', ({ falseEventsPer1000Records }) => number(falseEventsPer1000Records, 2)]
    : ['false/day', ({ falseEventsPerDay }) => number(falseEventsPerDay, 2)];
}

/** A count such as "3/4", or the share if there are no counts. */
function countOrShare(count: number | undefined, all: number | undefined, ratio: number | undefined): string {
  if (all === undefined) return share(ratio);
  return count === undefined || Number.isNaN(count) ? `–/${all}` : `${count}/${all}`;
}

function number(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits);
}

function share(value: number | undefined): string {
  return number(value, 3);
}

function percent(value: number | undefined): string {
  return value === undefined ? '' : `${(100 * value).toFixed(2)} %`;
}

/** Cells of undefined metrics stay empty. */
export function formatReport(
  { judgement, rank, alarms, countedOn }: EvaluationReport,
  thresholds: readonly UsedThreshold[],
  trainings: readonly Training[] = [],
  power?: DetectionPower,
): string {
  const trained = trainings.length === 0 ? [] : [...formatTrainings(trainings), ''];
  const lines = [
    ...alarms.map((one) => formatAlarms(one, countedOn)),
    ...thresholds.map((one) => formatThreshold(one, thresholds.length === 1)),
    ...(power === undefined ? [] : ['', ...formatPower(power)]),
  ];
  if (judgement === undefined) return `${[...trained, ...lines].join('\n')}\n`;
  const isHolding = judgement.micro.heldBackEvents > 0;
  const shown = [...columns, falseEventsColumn(judgement), ...(isHolding ? heldBackColumns : [])];
  const rows: [string, Row][] = [
    ...Object.entries(judgement.series).flatMap(([name, row]): [string, Row][] => [
      [name, row],
      ...(judgement.versions[name] ?? []).map((one): [string, Row] => [`  version ${one.version}`, one]),
    ]),
    ['macro', judgement.macro],
    ['micro', judgement.micro],
  ];
  const table = formatTable(
    ['series', ...shown.map(([title]) => title)],
    rows.map(([name, row]) => [name, ...shown.map(([, show]) => show(row))]),
  );
  const flagAll = `F1 if every record is flagged: ${share(judgement.micro.flagAllF1)} (micro)`;
  const ranked = rank === undefined ? [] : [formatRank(rank.macro)];
  return `${[...table, '', ...trained, flagAll, ...ranked, ...lines].join('\n')}\n`;
}

/** The surprise, and the statistics with the best one first. */
function formatRank({ surprise, statistics }: Rank): string {
  const sorted = Object.entries(statistics).sort(([, a], [, b]) => b - a);
  const shown = sorted.map(([name, value]) => `${name} ${share(value)}`).join(', ');
  return `PR-AUC of the surprise ${share(surprise)}, of what it is made of (macro): ${shown}`;
}

function formatTrainings(trainings: readonly Training[]): string[] {
  return formatTable(
    ['series', 'version', 'from record', 'trained on', 'left out', 'threshold', 'seconds', ''],
    trainings.map((one) => [
      one.series,
      String(one.version ?? '–'),
      String(one.from),
      number(one.records, 0),
      number(one.excludedRecords, 0),
      number(one.threshold, 2),
      number(one.trainingSeconds, 1),
      one.reason === undefined ? '' : `failed: ${one.reason}`,
    ]),
  );
}

function formatPower({ within, stretches, alarming, faults }: DetectionPower): string[] {
  const table = formatTable(
    ['fault', 'size', 'tried', ...within.map((records) => `found within ${records}`)],
    faults.map(({ kind, size, unit, canaries, found }) => [
      kind,
      `${size} ${unit}`.trim(),
      String(canaries),
      ...found.map((count) => `${Math.round((100 * count) / canaries)} %`),
    ]),
  );
  const leftOut = alarming === 0 ? '' : `; ${alarming} more alarm without a fault`;
  return [
    `detection power: faults put into ${stretches} held-out stretches, by records to the first flag${leftOut}`,
    ...table,
  ];
}

function formatAlarms(
  { target, ratio, low, high, alarms, records }: EvaluationReport['alarms'][number],
  on: string,
): string {
  const show = (value: number): string => value.toPrecision(2);
  return (
    `target ${target}: ${alarms} alarms in ${records} ${on}, ` +
    `ratio ${show(ratio)} (95 %: ${show(low)} to ${show(high)})`
  );
}

function formatThreshold({ configured, target, threshold, series }: UsedThreshold, all: boolean): string {
  const rate = typeof configured === 'string' ? `${configured} = ` : '';
  return (
    `flags and events: surprise from ${threshold.toPrecision(3)}, ` +
    `false-alarm target ${rate}${Number(target.toPrecision(2))} of the records${all ? '' : ` (${series.join(', ')})`}`
  );
}
