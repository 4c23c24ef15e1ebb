/**
 * Checks the rights on the whole cluster that writing needs: idempotent writes, and transactions for exactly-once delivery.
 */
import { wrong } from '../finding';
import type { Cluster } from './cluster';
import { quoted } from './commands';
import type { Duties } from './duties';

export async function examineWriteRights(
  { rights, commands, report }: Cluster,
  { read, written, exactlyOnce }: Duties,
): Promise<void> {
  if (written.length === 0) return;
  if (!(await rights.canWriteIdempotently()))
    report(
      wrong(
        'right to write idempotently',
        'is missing (IdempotentWrite on the cluster)',
        commands.acl('IdempotentWrite', '--cluster'),
      ),
    );
  if (!exactlyOnce || read === undefined) return;
  const id = `${read.groupId}/${read.topic}/0`;
  if (!(await rights.canSeeTransactions(id)))
    report(
      wrong(
        'right to write transactions',
        `is missing for transactional ids such as ${id} (Describe and Write)`,
        commands.acl(
          'Write',
          `--transactional-id ${quoted(`${read.groupId}/`)} --resource-pattern-type prefixed`,
        ),
      ),
    );
}
