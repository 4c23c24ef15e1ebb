import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TrainingError } from '../../src/errors';
import { LeaseHolder } from '../../src/runtime/lease-holder';
import { acquireLease } from '../../src/store/lease';
import { createRecordedLog } from './recorded-log';

let directory: string;
const holders: LeaseHolder[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-holder-'))));
afterEach(async () => {
  await Promise.all(holders.splice(0).map((holder) => holder.release()));
  rmSync(directory, { recursive: true });
});

function create() {
  const changes: boolean[] = [];
  const log = createRecordedLog();
  const options = { directory, detector: 'pump', timeoutMs: 60_000 };
  const holder = new LeaseHolder({ ...options, log, onChange: (held) => changes.push(held) });
  holders.push(holder);
  return { holder, changes, log, options };
}

test('calls at the same time, or later, get the same lease', async () => {
  const { holder, changes } = create();
  const [first, second] = await Promise.all([holder.acquire(), holder.acquire()]);
  expect(second).toBe(first);
  expect(await holder.acquire()).toBe(first);
  expect(changes).toEqual([true]);
  await holder.release();
  expect(changes).toEqual([true, false]);
  await expect(holder.acquire()).rejects.toThrow('the daemon is stopping');
});

test('the lease of another process is an error', async () => {
  await create().holder.acquire();
  const { holder } = create();
  const error: unknown = await holder.acquire().catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(TrainingError);
  expect(error).toMatchObject({ reason: 'lease' });
  expect(holder.isHeld()).toBe(false);
});

test('the loss of a lease is reported, and it can be acquired again', async () => {
  const { holder, changes, log, options } = create();
  const lease = await holder.acquire();
  const other = await acquireLease({ ...options, force: true });
  await expect(lease.renew()).rejects.toThrow(/took over/);
  expect(holder.isHeld()).toBe(false);
  expect(changes).toEqual([true, false]);
  expect(log.entries.at(-1)).toMatchObject({ level: 'error', message: 'lease lost: another process trains' });
  await other.release();
  expect((await holder.acquire()).token).toBe(other.token + 1);
  expect(holder.isHeld()).toBe(true);
});
