/**
 * The audit log: changes through the API or by a command on the store, with their author, and versions that the daemon changed
 * by itself; one JSON object per line.
 */
import { rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { appendWhole, privateFolder } from '../../system/atomic-write';
import { messageOf } from '../../system/error-text';
import { makeFolder, unlessMissing } from '../../system/file-system';

/** Size from which the file is renamed to `<path>.1`, which replaces an earlier one. */
const maxBytes = 10_485_760;

export interface AuditEntry {
  /**
   * Number of the request in this process; the entry of its outcome has the same number. Absent for changes by the daemon
   * itself.
   */
  request?: number;
  [field: string]: unknown;
}

export type Audit = (entry: AuditEntry) => Promise<void>;

/** @returns a function that appends an entry to the log of a store; it rejects if the entry is not on the disk */
export function createAudit(store: string): Audit {
  const path = join(store, 'audit.log');
  return async (entry) => {
    await makeFolder(dirname(path), privateFolder);
    const { size } = (await unlessMissing(stat(path))) ?? { size: 0 };
    if (size >= maxBytes) await rename(path, `${path}.1`);
    const line = `${JSON.stringify({ at: new Date().toISOString(), process: process.pid, ...entry })}\n`;
    await appendWhole(path, line);
  };
}

/** The entry for a change could not be written, so nothing was changed. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}

/**
 * Makes a change, with an entry before it and one for its outcome.
 * @param onUnwritten called if the outcome could not be written
 * @throws AuditError if nothing was changed; otherwise the error of the change
 */
export async function auditChange<T>(
  audit: Audit,
  entry: AuditEntry & { request: number },
  change: () => Promise<T>,
  onUnwritten: (outcome: object, err: unknown) => void,
): Promise<T> {
  await audit(entry).catch((cause: unknown) => {
    throw new AuditError('nothing was changed: the audit log cannot be written', { cause });
  });
  let outcome: Record<string, unknown> = { done: true };
  try {
    return await change();
  } catch (error) {
    outcome = { done: false, error: messageOf(error) };
    throw error;
  } finally {
    await audit({ request: entry.request, ...outcome }).catch((err: unknown) => onUnwritten(outcome, err));
  }
}
