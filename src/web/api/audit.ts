/** The audit log: who changed what through the API, and versions that the daemon changed by itself; one JSON object per line. */
import { appendFile, rename, stat } from 'node:fs/promises';
import { privateFile } from '../../system/atomic-write';
import { unlessMissing } from '../../system/file-system';

/** Size at which the file becomes `<path>.1`, in place of an earlier one. */
const maxBytes = 10_485_760;

export interface AuditEntry {
  /** Number of the request in this process: that of the line of its outcome, too. Absent for what the daemon does by itself. */
  request?: number;
  [field: string]: unknown;
}

export type Audit = (entry: AuditEntry) => Promise<void>;

/** @returns appends an entry; rejects if it is not on the disk */
export function createAudit(path: string): Audit {
  return async (entry) => {
    const { size } = (await unlessMissing(stat(path))) ?? { size: 0 };
    if (size >= maxBytes) await rename(path, `${path}.1`);
    const line = `${JSON.stringify({ at: new Date().toISOString(), process: process.pid, ...entry })}\n`;
    await appendFile(path, line, { mode: privateFile, flush: true });
  };
}
