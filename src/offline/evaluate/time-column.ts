/** Finds the column of times in a recorded file, if the configured one does not exist in it. */
import type { TimestampFormat } from '../../domain/time';
import { nameOf, type Column } from '../init/inference/sample';
import { findTime } from '../init/inference/time';
import type { RecordedFile } from './series';

export interface TimeColumn {
  column: string;
  timestampFormat: TimestampFormat;
  /** Zone for times that state none; empty if all of them state one. */
  timeZone: string;
}

/**
 * The column that `vaemon init` would choose; undefined if no column has times, or if times go back within the file. Such a
 * file has several devices one after the other, or the column is not the time of the record.
 */
export function findTimeColumn({ records }: RecordedFile): TimeColumn | undefined {
  const columns = Object.keys(records[0]?.values ?? {}).map((name): Column => ({
    path: [name],
    values: records.map(({ values }) => values?.[name]),
  }));
  const { field } = findTime({ records: records.length, columns, omittedFields: 0 });
  if (field === undefined) return undefined;
  const { column, format, timeZone, times } = field;
  // A time that cannot be read disqualifies the column just like one that goes back.
  for (let i = 0; i < times.length; i++)
    if (!(times[i]! >= (i === 0 ? -Infinity : times[i - 1]!))) return undefined;
  return { column: nameOf(column), timestampFormat: format, timeZone };
}
