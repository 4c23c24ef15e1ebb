/** Appends dead letters to a file of bounded size: a producer of invalid records must not fill the disk. */
import { isUtf8 } from 'node:buffer';
import { open, rename, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../../system/file-system';
import { printable } from '../../system/printable';
import { SerialQueue } from '../../system/serial-queue';
import type { DeadLetter, Sink } from '../sink';

export interface FileSinkSettings {
  /** Path of the file. */
  deadLetters: string;
  /** Size from which the file is replaced. */
  maxBytes: number;
}

/** @throws Error if the file cannot be opened for appending */
export async function createFileSink({ deadLetters: path, maxBytes }: FileSinkSettings): Promise<Sink> {
  await makeFolder(dirname(path));
  let file = await openAppending(path);
  /** Several partitions may write at the same time. */
  const queue = new SerialQueue();
  let closed = false;

  async function append(letters: readonly DeadLetter[]): Promise<void> {
    if (closed) throw new Error(`${path} is closed`);
    const { size } = await file.stat();
    if (size >= maxBytes) {
      await file.close();
      await rename(path, `${path}.1`);
      file = await openAppending(path);
    }
    await file.appendFile(letters.map(formatDeadLetter).join(''));
    await file.datasync();
  }

  return {
    name: 'file',
    anomaliesOnly: true,
    async write({ deadLetters: letters }) {
      if (letters.length > 0) await queue.run(() => append(letters));
    },
    async close() {
      if (closed) return;
      closed = true;
      await queue.settled();
      await file.close();
    },
  };
}

/** Only the owner can read the file, as records may be confidential. */
async function openAppending(path: string): Promise<FileHandle> {
  return open(path, 'a', 0o600);
}

/** One line of JSON. Bytes that are not UTF-8 are in base64, as `keyBase64` and `valueBase64`. */
function formatDeadLetter({ key, value, ...rest }: DeadLetter): string {
  const line = JSON.stringify({ ...rest, ...asText('key', key), ...asText('value', value) });
  // JSON does not escape Unicode marks that change the direction of text.
  return `${printable(line)}\n`;
}

function asText(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  return isUtf8(bytes) ? { [name]: bytes.toString() } : { [`${name}Base64`]: bytes.toString('base64') };
}
