/** docs/metrics.md, made from the declarations; test/metrics/metrics.test.ts holds the file to it. */
import type { MetricDescription } from '../src/metrics/metrics';

const labels: Readonly<Record<string, string>> = {
  detector: 'Name of the detector, from its configuration.',
  model: 'Model version. Only the one that scores has a series.',
  topic: 'Kafka topic, or path of the file.',
  reason:
    'Why a record or a model version was refused, or what went wrong: `unreachable`, `crashed`, `stalled`, `superseded` or `out_of_range` of a source; a fixed list in the source.',
  result:
    '`ok`, or why a training gave no model (`lease`: another process trains); of a transaction `committed`, `failed` (written again), or `superseded` (by another process).',
  stage:
    'Part of the way of a batch: `decode`, `score`, `sink`, `total`. For `vaemon_sink_errors_total` the name of the sink.',
  version: 'Of vaemon.',
  engine: 'What scores and trains.',
  node: 'Of Node.js.',
};

/** The page as Markdown. A metric or label without a meaning throws. */
export function metricsDocument(metrics: readonly MetricDescription[]): string {
  const own = metrics.filter(({ name }) => name.startsWith('vaemon_'));
  const used = [...new Set(own.flatMap(({ labelNames }) => labelNames))];
  return `# Metrics

\`GET /metrics\` answers in the Prometheus text format. Times are in seconds, counters end in \`_total\`, and every counter
of a configured detector exists with 0 from the start, so that \`increase()\` sees its first step. No label ever holds a
device: all label values come from the configuration or from fixed lists. Alert rules on these metrics are in
\`deploy/prometheus/vaemon.rules.yml\`, a dashboard in \`deploy/grafana/dashboards/vaemon.json\`.

Made from \`src/metrics/metrics.ts\`; \`UPDATE_DOCS=1 npx jest test/metrics/metrics.test.ts\` writes it anew.

${table(
  ['metric', 'type', 'labels', 'meaning'],
  own.map(({ name, type, labelNames, help }) => [code(name), type, labelNames.map(code).join(', '), help]),
)}

## Labels

${table(
  ['label', 'meaning'],
  used.map((label) => [code(label), labelMeaning(label)]),
)}

Beside these, \`process_*\` and \`nodejs_*\` tell of CPU, memory, file descriptors, the event loop and garbage collection, as
[prom-client](https://github.com/siimon/prom-client) names them.
`;
}

function labelMeaning(label: string): string {
  const meaning = labels[label];
  if (meaning === undefined)
    throw new Error(`label "${label}" has no meaning: add it to scripts/metrics-document.ts`);
  return meaning;
}

/** A Markdown table with its columns padded, as prettier lays it out. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
