/** docs/configuration.md, from the schemas. */
import { stringify } from 'yaml';
import { listKeys, type Key, type Section } from '../schema/key';
import { daemonSchema, detectorSchema } from './schema';

const introduction = `# Configuration

<!-- Printed by \`vaemon config docs\` from src/config/schema.ts; a test holds this file to it. -->

\`vaemon run PATH\` takes a detector's file, or a folder:

    config/
      daemon.yaml           what all detectors share; may be left out
      detectors/*.yaml      one detector a file

- Later wins: default, file, environment, \`--set key=value\`. A variable or an argument goes to every detector; a variable
  that is empty counts as absent.
- Keys here are dotted; in a file they are nested: \`window.length\` is \`length\` under \`window\`.
- A list is \`a,b,c\` in the environment and in arguments.
- A duration has its unit: \`500ms\`, \`30s\`, \`5m\`, \`24h\`, \`14d\`.
- Files are strict: an unknown key is an error. \`vaemon config check PATH\` reports every problem of every file, with the file
  and the key, and exits 78 if there is one. \`vaemon config print PATH\` shows what is in force.
- In Kubernetes, a service called \`vaemon-…\` would put variables of its own beside these: set \`enableServiceLinks: false\`.
`;

function inYaml(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false }).trim();
}

function row(path: string, key: Key<unknown>): string[] {
  return [
    `\`${path}\``,
    key.type.replace(/^an? /, ''),
    key.default === null ? '**required**' : `\`${inYaml(key.default)}\``,
    key.env === undefined ? '' : `\`${key.env}\``,
    key.doc,
  ];
}

/** A Markdown table whose columns are aligned, as Prettier would have it. */
function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((cols) => cols.map((cell) => cell.replaceAll('|', '\\|')));
  const width = (column: number): number => Math.max(...cells.map((cols) => cols[column]?.length ?? 0));
  const line = (cols: readonly string[]): string =>
    `| ${cols.map((cell, column) => cell.padEnd(width(column))).join(' | ')} |`;
  const [head = [], ...body] = cells;
  const rule = `| ${head.map((_, column) => '-'.repeat(width(column))).join(' | ')} |`;
  return [line(head), rule, ...body.map(line)].join('\n');
}

function chapter(title: string, schema: Section): string {
  const rows = [...listKeys(schema)].map(([path, key]) => row(path, key));
  return `## ${title}\n\n${table([['key', 'value', 'default', 'environment', 'meaning'], ...rows])}\n`;
}

/** The whole page, as it stands in docs/configuration.md. */
export function renderDocument(): string {
  return [
    introduction,
    chapter('`daemon.yaml`', daemonSchema),
    chapter('`detectors/*.yaml`', detectorSchema),
  ].join('\n');
}
