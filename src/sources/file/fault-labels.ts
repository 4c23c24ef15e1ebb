/** Known faults of a recorded file: `start,end,kind,channels`, times in ISO 8601, channels separated by `;`. */
import type { KnownFault } from '../spec';
import { readCsvTable } from './csv';

/** @throws Error that names the file and the line */
export async function readLabels(path: string): Promise<KnownFault[]> {
  return (await readCsvTable(path)).map(({ line, cells: row }) => {
    const start = Date.parse(row['start'] ?? '');
    const end = Date.parse(row['end'] ?? '');
    if (!(start <= end)) throw new Error(`${path}:${line}: start and end must be times, start not after end`);
    const channels = (row['channels'] ?? '').split(';').filter((name) => name !== '');
    return { start, end, kind: row['kind'] ?? '', channels };
  });
}
