/** The report of an evaluation as a table. */
import { formatTable } from '../table';
import type { MacroMetrics, SeriesMetrics } from './quality/judgement';
import type { EvaluationReport } from './quality/report';

type Row = Partial<SeriesMetrics> & Pick<MacroMetrics, 'rocAuc' | 'f1'>;

const columns: readonly [string, (row: Row) => string][] = [
  ['records', ({ records, events }) => (events === undefined ? '' : String(records))],
  ['anomalous', ({ anomalousRatio }) => percent(anomalousRatio)],
  ['ROC-AUC', ({ rocAuc }) => share(rocAuc)],
  ['PR-AUC', ({ prAuc }) => share(prAuc)],
  ['VUS-PR', ({ vusPr }) => share(vusPr)],
  ['F1', ({ f1 }) => share(f1)],
  ['precision', ({ precision }) => share(precision)],
  ['recall', ({ recall }) => share(recall)],
  ['FAR', ({ far }) => percent(far === undefined ? undefined : far / 100)],
  ['MAR', ({ mar }) => percent(mar === undefined ? undefined : mar / 100)],
  ['events', ({ events }) => (events === undefined ? '' : String(events))],
  ['found', ({ eventRecall }) => share(eventRecall)],
  ['delay', ({ delay }) => (delay === undefined || Number.isNaN(delay) ? '' : delay.toFixed(0))],
];

function share(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '' : value.toFixed(3);
}

function percent(value: number | undefined): string {
  return value === undefined ? '' : `${(100 * value).toFixed(2)} %`;
}

/** Cells of undefined metrics are empty. */
export function formatReport({ judgement, alarms, countedOn }: EvaluationReport): string {
  const lines = alarms.map((one) => formatAlarms(one, countedOn));
  if (judgement === undefined) return `${lines.join('\n')}\n`;
  const rows: [string, Row][] = [
    ...Object.entries(judgement.series),
    ['macro', judgement.macro],
    ['micro', judgement.micro],
  ];
  const table = formatTable(
    ['series', ...columns.map(([title]) => title)],
    rows.map(([name, row]) => [name, ...columns.map(([, show]) => show(row))]),
  );
  const flagAll = `F1 if every record is flagged: ${share(judgement.micro.flagAllF1)} (micro)`;
  return `${[...table, '', flagAll, ...lines].join('\n')}\n`;
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
