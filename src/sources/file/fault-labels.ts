/** Known faults of a recorded file: `start,end,kind,channels`, times in ISO 8601, channels separated by `;`. */
import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import type { KnownFault } from '../spec';

/** @throws Error that names the file and the line */
export async function readLabels(path: string): Promise<KnownFault[]> {
  const rows = parse<Record<string, string | undefined>>(await readFile(path), {
    columns: true,
    bom: true,
    skip_empty_lines: true,
  });
  return rows.map((row, i) => {
    const start = Date.parse(row['start'] ?? '');
    const end = Date.parse(row['end'] ?? '');
    if (!(start <= end))
      throw new Error(`${path}:${i + 2}: start and end must be times, start not after end`);
    const channels = (row['channels'] ?? '').split(';').filter((name) => name !== '');
    return { start, end, kind: row['kind'] ?? '', channels };
  });
}
