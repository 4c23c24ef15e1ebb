/** Chooses the columns of a recorded file that are channels. */
import { isIndex, isLabel } from '../../domain/column-role';
import { withoutColumn } from '../../sources/file/csv';
import { valuesOf, type RecordedFile } from './series';

export interface ChosenColumns {
  channels: readonly string[];
  /** Warnings about columns that look like a label or an index; they are left out unless the configuration lists them. */
  warnings: readonly string[];
}

/**
 * Columns with numbers in at least half of the records that have a value there, without labels and indices.
 * @param columns empty for a column without a name
 * @throws Error that lists the columns if no column has numbers
 */
export function chooseChannels(file: RecordedFile, columns: readonly string[]): ChosenColumns {
  const numeric = columns.filter((column) => isNumeric(file, column));
  const looks = numeric.map((column) => ({ column, looksLike: looksLike(column, valuesOf(column, [file])) }));
  const channels = looks.filter(({ looksLike }) => looksLike === undefined).map(({ column }) => column);
  if (channels.length === 0)
    throw new Error(
      `${file.path} has no column of numbers that can be a channel; its columns are ${columns.map((name) => `"${name}"`).join(', ')}`,
    );
  const warnings = looks.flatMap(({ column, looksLike }) =>
    looksLike === undefined
      ? []
      : [`column "${column}" looks like ${looksLike}: it is used only if record.channels lists it`],
  );
  const nameless = columns.filter((name) => name === '').length;
  if (nameless > 0) warnings.push(`${nameless} of ${columns.length} columns have no name: they are not used`);
  return { channels, warnings };
}

function isNumeric({ records }: RecordedFile, column: string): boolean {
  const count = (type: 'number' | 'string'): number =>
    records.filter(({ values }) => typeof values?.[column] === type).length;
  return column in (records[0]?.values ?? {}) && count('number') >= count('string');
}

function looksLike(column: string, values: Float64Array): string | undefined {
  if (isLabel(column, values)) return 'a label';
  return isIndex(values) ? 'an index' : undefined;
}

/** Channels with one value in all records of a file. */
export function constantChannels(file: RecordedFile, channels: readonly string[]): string[] {
  return channels.filter((channel) => {
    const values = valuesOf(channel, [file]);
    return values.every((value) => value === values[0]);
  });
}

/** @throws Error with the name of a channel without a column, and the most similar column */
export function checkColumns(path: string, columns: readonly string[], channels: readonly string[]): void {
  const [absent] = withoutColumn(columns, channels);
  if (absent !== undefined) throw new Error(`${path} has no column for channel ${absent}`);
}
