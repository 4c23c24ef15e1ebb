/**
 * The audit log: who changed what through the API or by a command on the store, and versions that the daemon changed by itself; one
 * JSON object per line.
 */
import { rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { appendWhole, privateFolder } from '../../system/atomic-write';
import { messageOf } from '../../system/error-text';
import { makeFolder, unlessMissing } from '../../system/file-system';

/** Size at which the file becomes `<path>.1`, in place of an earlier one. */
const maxBytes = 10_485_760;

export interface AuditEntry {
  /** Number of the request in this process: that of the line of its outcome, too. Absent for what the daemon does by itself. */
  request?: number;
  [field: string]: unknown;
}

export type Audit = (entry: AuditEntry) => Promise<void>;

/** @returns appends an entry to the log of a store; rejects if it is not on the disk */
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

/** The entry of a change could not be written, so nothing was changed. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}

/**
 * Makes a change, with an entry before it and one for its outcome.
 * @param onUnwritten called if the outcome could not be written
 * @throws AuditError with nothing changed; the error of the change
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
