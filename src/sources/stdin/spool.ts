/**
 * The newest records of standard input, stored in files for trainings, which are separate processes:
 *
 *     <spool>.ndjson      the newest records
 *     <spool>.1.ndjson    the records before those
 */
import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { privateFile, privateFolder } from '../../system/atomic-write';
import { unlessMissing } from '../../system/file-system';
import { createFileHistory, type FileRecords } from '../file/file';
import type { HistoryChunk, ReadHistory } from '../history';
import type { Message } from '../source';

/** Maximum number of records in a file. */
const recordsPerFile = 100_000;

const lineFeed = Buffer.from('\n');

/** Creates an empty spool. */
export function createSpool(path: string, limit = recordsPerFile) {
  const [newest, older] = [`${path}.ndjson`, `${path}.1.ndjson`];
  let isPrepared = false;
  let inNewest = 0;
  let inOlder = 0;

  return {
    count: (): number => inOlder + inNewest,
    async add(messages: readonly Message[]): Promise<void> {
      if (!isPrepared) {
        await mkdir(dirname(path), { recursive: true, mode: privateFolder });
        await Promise.all([newest, older].map((file) => rm(file, { force: true })));
        isPrepared = true;
      }
      if (inNewest >= limit) {
        await rename(newest, older);
        [inOlder, inNewest] = [inNewest, 0];
      }
      const lines = messages.flatMap(({ value, problem }) =>
        value === null || problem !== undefined ? [] : [value, lineFeed],
      );
      await appendFile(newest, Buffer.concat(lines), { mode: privateFile });
      inNewest += lines.length / 2;
    },
  };
}

/** All records in the files, without those that are added after the training has begun. */
export function createSpoolHistory(
  path: string,
  records: Pick<FileRecords, 'columns' | 'timestampFormat' | 'timeZone'>,
): ReadHistory {
  return async function* readHistory(range) {
    const chunks: HistoryChunk[] = [];
    for (const file of [`${path}.1.ndjson`, `${path}.ndjson`]) {
      if ((await unlessMissing(stat(file))) === undefined) continue;
      for await (const chunk of createFileHistory({ ...records, path: file }, Infinity)(range))
        chunks.push(chunk);
    }
    let excess = chunks.reduce((sum, { length }) => sum + length, 0) - range.maxRecords;
    for (const chunk of chunks) {
      const left = chunk.slice(Math.max(0, excess));
      excess -= chunk.length - left.length;
      if (left.length > 0) yield left;
    }
  };
}
