/** Known faults of a recorded file: `start,end,kind,channels`, times as in records, channels separated by `;`. */
import { parseTime, TimeError } from '../../domain/time';
import type { KnownFault } from '../spec';
import { readCsvTable } from './csv';

/** @throws Error that contains the file and the line */
export async function readLabels(path: string): Promise<KnownFault[]> {
  return (await readCsvTable(path)).map(({ line, cells: row }) => {
    const wrong = `${path}:${line}: start and end must be times, start not after end`;
    const timeOf = (name: 'start' | 'end'): number => {
      try {
        return parseTime(row[name]);
      } catch (error) {
        if (error instanceof TimeError)
          throw new Error(`${wrong}: ${name} ${error.problem}`, { cause: error });
        throw error;
      }
    };
    const [start, end] = [timeOf('start'), timeOf('end')];
    if (!(start <= end)) throw new Error(wrong);
    const channels = (row['channels'] ?? '').split(';').filter((name) => name !== '');
    return { start, end, kind: row['kind'] ?? '', channels };
  });
}
