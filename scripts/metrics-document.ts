/** Writes docs/metrics.md from the declarations; test/metrics/metrics.test.ts compares the file with it. */
import type { MetricDescription } from '../src/metrics/recorder';

const detectorLabel = 'detector';
/** Columns of docs/metrics.md outside of tables. */
const width = 120;

/** The page as Markdown. */
export function metricsDocument(metrics: readonly MetricDescription[]): string {
  return `# Metrics

\`GET /metrics\` returns the Prometheus text format. Times are in seconds, counters end in \`_total\`, and every counter of a
configured detector exists with 0 from the start, so that \`increase()\` sees its first step. All label values come from the
configuration or from fixed lists, except the keys of devices in \`vaemon_event_*\`: the \`metrics.openEvents\` most surprising
open events of a detector have these series, which end with their event. With 100,000 devices, each with an open event,
\`/metrics\` is smaller than 1 MB. The alert rules are in \`deploy/prometheus/vaemon.rules.yml\`, explained in [runbooks.md](runbooks.md); the
dashboards are in \`deploy/grafana/dashboards/\`.

This page is generated: \`UPDATE_DOCS=1 npx jest test/metrics/metrics.test.ts\`.

${table(
  ['metric', 'type', 'labels', 'meaning'],
  metrics.map(({ name, type, labels, help }) => [
    code(name),
    type,
    labels.map((label) => code(label.name)).join(', '),
    help,
  ]),
)}

## Label values

${labelLines(metrics).join('\n')}

The metrics \`process_*\` and \`nodejs_*\` cover CPU, memory, file descriptors, the event loop and garbage collection, under
the names of [prom-client](https://github.com/siimon/prom-client).
`;
}

/** One list item for each label and meaning, with the metrics that it belongs to. */
function labelLines(metrics: readonly MetricDescription[]): string[] {
  const uses = new Map<string, string[]>();
  for (const { name, labels } of metrics) {
    for (const label of labels) {
      const meaning = `${code(label.name)}|${label.meaning}`;
      uses.set(meaning, [...(uses.get(meaning) ?? []), code(name)]);
    }
  }
  return [...uses].map(([use, names]) => {
    const [label, meaning] = use.split('|') as [string, string];
    return wrapped(
      `- ${label}${label === code(detectorLabel) ? '' : ` of ${names.join(' and ')}`}: ${meaning}`,
    );
  });
}

/** Breaks a list item into lines of at most `width` columns. */
function wrapped(item: string): string {
  const lines = [''];
  for (const word of item.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + 1 + word.length > width) lines.push(`  ${word}`);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

/** A Markdown table with its columns padded, as prettier formats it. */
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
