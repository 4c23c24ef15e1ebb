/** Reads all CSV files: recorded records and labels. docs/formats.md lists its rules. */
import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { parse, type Options } from 'csv-parse';
import { CsvError, parse as parseSync } from 'csv-parse/sync';
import { didYouMean, nearest } from '../../schema/suggest';
import { createUnpacker } from './gzip';

export interface CsvFormat {
  separator: string;
  /** Line of the header, from 1; comment lines may precede it. */
  headerLine: number;
  /** Names of the columns in the order of the file; empty for a column without a name. */
  columns: readonly string[];
  /** Whether a comma in a number is a decimal comma. */
  decimalComma: boolean;
}

export interface CsvRow {
  /** Line of the row, from 1; for a row with line breaks, its last line. */
  line: number;
  /** Cells by the name of their column. Columns without a name, and cells that a short row lacks, are absent. */
  cells: Record<string, string>;
  /** Reason why the row must be rejected. */
  problem: string | undefined;
  /** Whether it is rejected because it has too few cells. */
  isShort: boolean;
}

const separators = [',', ';', '\t', '|'];
/** A line before the header in which spreadsheets state the separator. */
const separatorLine = /^"?sep=([,;\t|])"?$/i;
const sampleBytes = 65_536;
const sampleRows = 20;
/** Most columns that an error lists. */
const shownColumns = 20;

const optionsFor = (separator: string, fromLine: number): Options => ({
  delimiter: separator,
  from_line: fromLine,
  bom: true,
  relax_column_count: true,
  // Spaces around a cell without quotes are removed. A tab that separates must stay.
  trim: separator !== '\t',
  skip_empty_lines: true,
});

/**
 * Detects the format from the header and the first rows of a file. A file without a header has no columns.
 * @throws Error that contains the line of the header, if the file is ambiguous
 */
export async function readCsvFormat(path: string): Promise<CsvFormat> {
  return csvFormatOf(await readSample(path));
}

/** As `readCsvFormat`, for the beginning of a file, up to the end of a line. */
export function csvFormatOf(sample: string): CsvFormat {
  const lines = sample.split(/\r\n|\n|\r/);
  const isBefore = (line: string): boolean =>
    line.trim() === '' || line.startsWith('#') || separatorLine.test(line);
  const header = lines.findIndex((line) => !isBefore(line));
  const headerLine = header + 1;
  if (header === -1) return { separator: ',', headerLine: 1, columns: [], decimalComma: false };
  try {
    if (/[\0\ufffd]/.test(lines[header]!)) throw new Error(notText(sample));
    const { separator, rows } = findSeparator(sample, headerLine);
    const columns = rows[0]!.map((name) => name.trim());
    checkNames(columns);
    return { separator, headerLine, columns, decimalComma: hasDecimalComma(rows.slice(1).flat(), separator) };
  } catch (error) {
    // A CsvError already contains its line.
    if (error instanceof CsvError) throw error;
    throw new Error(`line ${headerLine}: ${(error as Error).message}`);
  }
}

function notText(sample: string): string {
  if (sample.startsWith('PK')) return 'the file is a spreadsheet or another packed file: export it as CSV';
  if (sample.startsWith('PAR1')) return 'the file is in the format Parquet: export it as CSV';
  // The first bytes of PNG, and of JPEG, are no UTF-8.
  if (/^\ufffd(PNG|\ufffd\ufffd.{0,4}(JFIF|Exif))/s.test(sample))
    return 'the file is an image: images are read from the folder that they are in, so name that folder';
  return 'the file is not UTF-8 text: save it in this encoding';
}

/** The rows after the header. The file is opened with the first of them. */
export async function* readCsv(path: string, format: CsvFormat): AsyncGenerator<CsvRow> {
  yield* readCsvFrom(openFile(path), format);
}

/** @param bytes of the file, from its beginning */
export async function* readCsvFrom(bytes: Readable, format: CsvFormat): AsyncGenerator<CsvRow> {
  const { separator, headerLine, columns } = format;
  if (columns.length === 0) return;
  const parser = parse({ ...optionsFor(separator, headerLine), info: true });
  // An error of the file is thrown by the iteration over the parser.
  pipeline(bytes, parser, () => undefined);
  let isHeader = true;
  for await (const { record, info } of parser as AsyncIterable<{
    record: string[];
    info: { lines: number };
  }>) {
    if (isHeader) {
      isHeader = false;
      continue;
    }
    const cells: Record<string, string> = {};
    record.forEach((cell, i) => {
      const name = columns[i] ?? '';
      if (name !== '') cells[name] = cell;
    });
    yield {
      line: info.lines,
      cells,
      problem: countProblem(record, info.lines, format),
      isShort: record.length < columns.length,
    };
  }
}

/**
 * All rows of a file that must not contain an invalid row, such as one of labels.
 * @throws Error that contains the file and the line
 */
export async function readCsvTable(path: string): Promise<CsvRow[]> {
  const format = await readCsvFormat(path).catch((cause: unknown) => {
    throw new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  });
  const rows: CsvRow[] = [];
  for await (const row of readCsv(path, format)) {
    if (row.problem !== undefined) throw new Error(`${path}:${row.line}: ${row.problem}`);
    rows.push(row);
  }
  return rows;
}

/** A number with one decimal sign, and possibly an exponent. */
const decimal = /^[+-]?\d*([.,])\d+(?:e[+-]?\d+)?$/i;
/** A decimal comma with three digits could also be a separator of thousands. */
const likeThousands = /^[+-]?[1-9]\d{0,2},\d{3}$/;

/**
 * Returns a function that reads the cells of one column. An empty cell is null; text that is not a finite number stays text.
 * The function throws an Error if a number is ambiguous.
 */
export function createCellReader({
  decimalComma,
}: Pick<CsvFormat, 'decimalComma'>): (text: string) => number | string | null {
  let first: { sign: string; text: string } | undefined;
  return (text) => {
    const trimmed = text.trim();
    if (trimmed === '') return null;
    // Fast path: most cells need no regular expression.
    const plain = trimmed.includes(',') ? NaN : Number(trimmed);
    if (Number.isFinite(plain) && (first?.sign === '.' || !trimmed.includes('.'))) return plain;
    const sign = decimal.exec(trimmed)?.[1];
    if (sign === undefined) return Number.isFinite(plain) ? plain : text;
    if (sign === ',' && !decimalComma)
      throw new Error(`${quote(trimmed)} may have a decimal comma or a thousands separator`);
    first ??= { sign, text: trimmed };
    if (first.sign !== sign)
      throw new Error(
        `${quote(first.text)} and ${quote(trimmed)} have different decimal signs in the same column`,
      );
    const value = Number(trimmed.replace(',', '.'));
    return Number.isFinite(value) ? value : text;
  };
}

const quote = (text: string): string => JSON.stringify(text);

/** The bytes of a file, decompressed if its name ends in `.gz`. */
export function openFile(path: string): Readable {
  const file = createReadStream(path);
  return path.endsWith('.gz') ? pipeline(file, createUnpacker(), () => undefined) : file;
}

/** The beginning of a file, up to the end of a line. */
async function readSample(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of openFile(path) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= sampleBytes) break;
  }
  const text = Buffer.concat(chunks).toString();
  const whole = size < sampleBytes ? text : text.slice(0, text.lastIndexOf('\n') + 1);
  return whole.replace(/^\ufeff/, '');
}

/**
 * Finds the separator among those in the header; if there are several, the one by which the first rows have as many cells as
 * the header.
 * @throws Error if the file is ambiguous, or its quotes fit no separator
 */
function findSeparator(sample: string, headerLine: number): { separator: string; rows: string[][] } {
  const problems: unknown[] = [];
  const found = separators.flatMap((separator) => {
    try {
      const rows = parseSync(sample, { ...optionsFor(separator, headerLine), to: sampleRows + 1 });
      return [{ separator, rows }];
    } catch (error) {
      problems.push(error);
      return [];
    }
  });
  const inHeader = found.filter(({ rows }) => rows[0]!.length > 1);
  if (found.length === 0) throw problems[0];
  if (inHeader.length === 0) return found[0]!;
  if (inHeader.length === 1) return inHeader[0]!;
  const fitting = inHeader.filter(({ rows }) => rows.every((row) => row.length === rows[0]!.length));
  if (fitting.length === 1) return fitting[0]!;
  const list = inHeader.map(({ separator }) => quote(separator)).join(' and ');
  const reason = fitting.length === 0 ? 'none of them fits' : 'more than one fits';
  throw new Error(`the separator is ambiguous: the header has ${list}, and ${reason} the first rows`);
}

/** @throws Error if a name occurs twice or cannot be used, or if the header is a row of numbers */
function checkNames(columns: readonly string[]): void {
  const twice = columns.find((name, i) => name !== '' && columns.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`more than one column is called ${quote(twice)}`);
  if (columns.includes('__proto__')) throw new Error('"__proto__" cannot be the name of a column');
  const isNumber = (name: string): boolean => Number.isFinite(Number(name.replace(',', '.')));
  const isTime = (name: string): boolean => /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(name);
  const isValue = (name: string): boolean => name !== '' && (isNumber(name) || isTime(name));
  if (columns.every(isValue) && !columns.every((name) => /^\d+$/.test(name)))
    throw new Error('the file has no header: its first row has only numbers and times');
}

function hasDecimalComma(cells: readonly string[], separator: string): boolean {
  const decimals = cells.map((cell) => cell.trim()).filter((cell) => decimal.test(cell));
  if (decimals.some((cell) => cell.includes(',') && !likeThousands.test(cell))) return true;
  return separator !== ',' && !decimals.some((cell) => cell.includes('.'));
}

function countProblem(
  row: readonly string[],
  line: number,
  { separator, columns }: CsvFormat,
): string | undefined {
  if (row.length === columns.length) return undefined;
  const counts = `line ${line} has ${row.length} ${row.length === 1 ? 'cell' : 'cells'}, the header has ${columns.length}`;
  const other = separators.find(
    (one) => one !== separator && row.length === 1 && row[0]!.split(one).length === columns.length,
  );
  if (other !== undefined) return `${counts}: the separator of this row seems to be ${quote(other)}`;
  return separator === ',' && row.length > columns.length
    ? `${counts}: a number with a decimal comma must be quoted, or the separator must be ";"`
    : counts;
}

/** What an empty name of a column means. */
const withoutName = {
  key: 'the file has one device, called after it',
  timestamp: 'its records are a second apart',
};

/**
 * Why a file does not have the columns of devices and times, without which every record would be rejected; undefined = it has
 * them, or it is empty.
 */
export function missingColumn(
  columns: readonly string[],
  named: Readonly<Record<keyof typeof withoutName, string>>,
): string | undefined {
  if (columns.length === 0) return undefined;
  for (const key of ['key', 'timestamp'] as const) {
    const name = named[key];
    if (name === '' || columns.includes(name)) continue;
    const others = columns.filter((column) => column !== '').map(quote);
    const list = others.length > shownColumns ? [...others.slice(0, shownColumns), '…'] : others;
    const similar = nearest(name, columns);
    const advice =
      similar === undefined
        ? `: it must be one of ${list.join(', ')}, or "" if ${withoutName[key]}`
        : didYouMean(similar);
    return `there is no column ${quote(name)}, which columns.${key} names${advice}`;
  }
  return undefined;
}

/** Channels without a column, each with the most similar name of a column that is no channel. */
export function withoutColumn(columns: readonly string[], channels: readonly string[]): string[] {
  const spare = columns.filter((column) => column !== '' && !channels.includes(column));
  const alike = (a: string, b: string): boolean => a.toLowerCase().includes(b.toLowerCase());
  return channels
    .filter((channel) => !columns.includes(channel))
    .map((channel) => {
      const similar = spare.find((column) => alike(column, channel) || alike(channel, column));
      return `${quote(channel)}${didYouMean(nearest(channel, spare) ?? similar)}`;
    });
}
