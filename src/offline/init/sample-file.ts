/** Reads a sample of bounded size from a recorded file. */
import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { isIdxPath } from '../../domain/recording';
import { readCsvFormat, openFile } from '../../sources/file/csv';
import { readFileRecords } from '../../sources/file/file';
import { messageOf } from '../../system/error-text';
import { isObject, type JsonObject } from '../../system/json';
import { UnusableSampleError } from './inference/unusable';
import { createSampleBuilder } from './inference/sample';
import type { RecordedSample, SampleFormat } from './recorded-sample';

const ndjson = /\.(ndjson|jsonl)(\.gz)?$/;
/** Maximum number of bytes of text that are read, as all values are kept as columns. */
const maxBytes = 512 * 1024 * 1024;

/**
 * The first records of a file. Records that cannot be read as columns or JSON are left out; the detector's decoder counts them
 * later.
 * @throws Error that states the type of the file, if it has no records of numbers
 */
export async function sampleFile(path: string, maxRecords: number): Promise<RecordedSample> {
  await checkKind(path);
  const format = await formatOf(path);
  const builder = createSampleBuilder();
  let [bytes, read] = [0, 0];
  let isMore = false;
  let firstProblem: string | undefined;
  for await (const record of readFileRecords({ path, columns: { key: '', timestamp: '', conditions: [] } })) {
    if (read >= maxRecords || bytes > maxBytes) {
      isMore = true;
      break;
    }
    read++;
    const { raw, values = {}, problem } = record;
    bytes += raw?.length ?? 0;
    const fields = raw === undefined ? (problem ?? values) : parseObject(raw);
    if (typeof fields === 'string') firstProblem ??= fields;
    else builder.add(fields);
  }
  const sample = builder.build();
  if (sample.records === 0 && firstProblem !== undefined)
    throw new UnusableSampleError(`no record can be read: ${firstProblem}`);
  return { format, sample, read, isMore, share: 1, notes: [] };
}

/** The object of a line, or the reason why there is none. */
function parseObject(line: Buffer): JsonObject | string {
  try {
    const value: unknown = JSON.parse(line.toString());
    return isObject(value) ? value : 'a line is JSON, but not an object';
  } catch (error) {
    return `a line is not JSON: ${messageOf(error)}`;
  }
}

async function formatOf(path: string): Promise<SampleFormat> {
  if (ndjson.test(path)) return { kind: 'json' };
  try {
    const { separator, decimalComma } = await readCsvFormat(path);
    return { kind: 'csv', separator, decimalComma };
  } catch (cause) {
    throw new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** @throws Error with advice, for files of another type */
async function checkKind(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((cause: unknown) => {
    throw new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  });
  if (isIdxPath(path))
    throw new Error(
      `${path} has raw images, but init reads only folders of PNG and JPEG files: copy config/digits and set record.image`,
    );
  const first = await firstByte(path);
  if (first === undefined) throw new Error(`${path} is empty`);
  if (first === '{' && !ndjson.test(path))
    throw new Error(
      `${path} seems to have JSON objects: if it has one per line, rename it so that it ends in .ndjson`,
    );
  if (first === '[')
    throw new Error(
      `${path} seems to be one JSON list: write one object per line, with: jq -c '.[]' ${path} > records.ndjson`,
    );
}

/** The first character that is not blank. gzip is recognised by its first bytes, whatever the name of the file is. */
async function firstByte(path: string): Promise<string | undefined> {
  const head = createReadStream(path, { end: 1 });
  const magic: Buffer[] = [];
  for await (const chunk of head as AsyncIterable<Buffer>) magic.push(chunk);
  const isGzip = Buffer.concat(magic).equals(Buffer.of(0x1f, 0x8b));
  if (isGzip && !path.endsWith('.gz'))
    throw new Error(`${path} is packed with gzip: rename it so that it ends in .gz`);
  try {
    for await (const chunk of openFile(path) as AsyncIterable<Buffer>) {
      const text = chunk
        .toString()
        .replace(/^\ufeff/, '')
        .trimStart();
      if (text !== '') return text[0];
    }
    return undefined;
  } catch (cause) {
    throw new Error(`cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}
