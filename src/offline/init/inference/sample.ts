/** A sample of records as columns: each field with its path and its values. */

/** A field of the records, or a column of a CSV file. */
export interface Column {
  /** Names of the fields from the record to the value. */
  path: readonly string[];
  /** Values by record: number, text, boolean, null, or a list of numbers; undefined = absent. Shape [records]. */
  values: readonly unknown[];
}

export interface Sample {
  records: number;
  columns: readonly Column[];
  /** Key and time of the messages that contain the records; their paths are empty. */
  messageKey?: Column;
  messageTime?: Column;
  /** Stretch of the source for each record, if the sample has several; between two stretches, records are left out. */
  blocks?: readonly string[];
  /** Partition of each record. */
  partitions?: readonly number[];
  /** Number of fields that were left out, as there were too many or they were nested too deeply. */
  omittedFields: number;
}

/** Maximum number of columns. If there are more, the records are maps by device or time. */
const maxColumns = 1000;
const maxDepth = 8;

/** Collects JSON objects and returns them as columns. */
export function createSampleBuilder() {
  const columns = new Map<string, { path: readonly string[]; values: unknown[] }>();
  const omitted = new Set<string>();
  const keys: (string | undefined)[] = [];
  const times: number[] = [];
  const blocks: string[] = [];
  const partitions: number[] = [];
  let records = 0;

  function add(value: unknown, path: readonly string[]): void {
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && path.length < maxDepth) {
      for (const [name, inner] of Object.entries(value)) add(inner, [...path, name]);
      return;
    }
    const id = path.join('\0');
    let column = columns.get(id);
    if (column === undefined) {
      if (columns.size >= maxColumns) {
        if (omitted.size < maxColumns) omitted.add(id);
        return;
      }
      columns.set(id, (column = { path, values: [] }));
    }
    column.values[records] = value;
  }

  return {
    add(
      record: object,
      message?: { key: string | undefined; timestamp: number; block: string; partition: number },
    ): void {
      if (message !== undefined) {
        keys.push(message.key);
        times.push(message.timestamp);
        blocks.push(message.block);
        partitions.push(message.partition);
      }
      for (const [name, value] of Object.entries(record)) add(value, [name]);
      records++;
    },
    build: (): Sample => ({
      records,
      columns: [...columns.values()].map(({ path, values }) => ({
        path,
        values: Array.from({ length: records }, (_, i) => values[i]),
      })),
      ...(keys.length > 0 && {
        messageKey: { path: [], values: keys },
        messageTime: { path: [], values: times },
        blocks,
        partitions,
      }),
      omittedFields: omitted.size,
    }),
  };
}

/** A path as written in a configuration; empty for the key or the time of the message. */
export function pathText(path: readonly string[]): string {
  return path.map((name) => name.replaceAll('.', '\\.')).join('.');
}

export const nameOf = ({ path }: Pick<Column, 'path'>): string => path.at(-1) ?? '';

export const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);

export function countKinds({ values }: Column) {
  let [numbers, texts, booleans, lists, absent] = [0, 0, 0, 0, 0];
  for (const value of values) {
    if (value === undefined || value === null) absent++;
    else if (isNumber(value)) numbers++;
    else if (typeof value === 'boolean') booleans++;
    else if (Array.isArray(value)) lists++;
    else texts++;
  }
  return { numbers, texts, booleans, lists, absent };
}

/** At most `most` of the present values, evenly spread. */
export function someValues({ values }: Column, most: number): unknown[] {
  const present = values.filter((value) => value !== undefined && value !== null);
  const step = Math.max(1, present.length / most);
  return Array.from({ length: Math.min(most, present.length) }, (_, i) => present[Math.floor(i * step)]);
}

/** Distinct values, and whether there are more than `most`. */
export function distinctValues(
  values: readonly unknown[],
  most: number,
): { values: Set<unknown>; isMore: boolean } {
  const found = new Set<unknown>();
  for (const value of values) {
    if (value === undefined || value === null) continue;
    found.add(value);
    if (found.size > most) return { values: found, isMore: true };
  }
  return { values: found, isMore: false };
}
