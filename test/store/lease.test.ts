import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeaseError } from '../../src/errors';
import { acquireLease, leaseFolder, type Lease } from '../../src/store/lease';
import { createModelStore } from '../../src/store/model-store';

let directory: string;
const held: Lease[] = [];
beforeEach(async () => (directory = await nodeFs.mkdtemp(join(tmpdir(), 'vaemon-lease-'))));
afterEach(async () => {
  await Promise.all(held.splice(0).map((lease) => lease.release()));
  await nodeFs.rm(directory, { recursive: true, force: true });
});

async function acquire(
  timeoutMs = 60_000,
  options: { threaded?: boolean; duty?: 'trains' | 'scores' } = {},
): Promise<Lease> {
  const lease = await acquireLease({ directory, detector: 'pump', timeoutMs, ...options });
  held.push(lease);
  return lease;
}
const root = () => join(directory, 'pump', 'lease');
const heartbeatOf = ({ folder }: Lease) => join(folder, 'heartbeat');

/** Makes the heartbeat look this old, and written on another machine. */
async function silence(lease: Lease, ms: number): Promise<void> {
  const holder = JSON.parse(await nodeFs.readFile(heartbeatOf(lease), 'utf8')) as object;
  await nodeFs.writeFile(heartbeatOf(lease), JSON.stringify({ ...holder, machine: 'other', host: 'far' }));
  const then = new Date(Date.now() - ms);
  await nodeFs.utimes(heartbeatOf(lease), then, then);
}

test('one process holds the lease; others get an error that names the holder', async () => {
  const lease = await acquire();
  const error: unknown = await acquire().catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(LeaseError);
  expect(String(error)).toMatch(new RegExp(`process ${process.pid} on .* trains detector "pump"`));
  await lease.release();
  expect((await acquire()).token).toBe(lease.token + 1);
});

test('a lease to score leaves the one to train free, and names what its holder does', async () => {
  await acquire(60_000, { duty: 'scores' });
  await acquire();
  await expect(acquire(60_000, { duty: 'scores' })).rejects.toThrow(/ scores detector "pump"/);
});

test('of many simultaneous requests one gets the lease, repeatedly, and the tokens increase', async () => {
  for (let round = 1; round <= 20; round++) {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => acquire()));
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(won).toHaveLength(1);
    expect(won[0]!.token).toBeGreaterThanOrEqual(round);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(LeaseError);
    await won[0]!.release();
  }
  // Ended leases do not accumulate.
  expect((await nodeFs.readdir(root())).length).toBeLessThan(4);
});

test('a holder without a recent heartbeat loses the lease and detects that with its next heartbeat', async () => {
  const old = await acquire(60_000);
  await silence(old, 10_000);
  await expect(acquireLease({ directory, detector: 'pump', timeoutMs: 20_000 })).rejects.toThrow(/on far/);
  const next = await acquire(5_000);
  expect(next.token).toBe(old.token + 1);
  await expect(old.renew()).rejects.toThrow(LeaseError);
  expect(old.lost.aborted).toBe(true);
  // A release has no effect then.
  await old.release();
  await next.renew();
});

test('a live holder can be replaced by force, and can take the lease again later', async () => {
  const old = await acquire();
  const next = await acquireLease({ directory, detector: 'pump', timeoutMs: 60_000, force: true });
  await expect(old.renew()).rejects.toThrow(LeaseError);
  await next.release();
  expect((await acquire()).token).toBe(next.token + 1);
});

test('an ended process on this machine loses the lease at once', async () => {
  const gone = Number(
    execFileSync(process.execPath, ['-e', 'console.log(process.pid)'], { encoding: 'utf8' }),
  );
  const old = await acquire();
  const holder = JSON.parse(await nodeFs.readFile(heartbeatOf(old), 'utf8')) as object;
  await nodeFs.writeFile(heartbeatOf(old), JSON.stringify({ ...holder, pid: gone }));
  expect((await acquire()).token).toBe(old.token + 1);
});

test('only the time of a damaged heartbeat counts', async () => {
  const old = await acquire();
  await nodeFs.writeFile(heartbeatOf(old), '{"pid"');
  await expect(acquire()).rejects.toThrow(/another process/);
});

test('a thread renews the lease while the process computes', async () => {
  const lease = await acquire(60, { threaded: true });
  const renewedAt = () => statSync(heartbeatOf(lease)).mtimeMs;
  let renewals = 0;
  // This loop never yields to the event loop.
  for (let last = renewedAt(), i = 0; renewals < 3 && i < 1e6; i++) {
    if (renewedAt() !== last) renewals++;
    last = renewedAt();
  }
  expect(renewals).toBe(3);
});

describe('the fence', () => {
  const bundle = new Map([['weights.safetensors', Buffer.from('weights')]]);
  const storeOf = (lease: Lease) =>
    createModelStore({ directory, detector: 'pump', lease: () => lease.folder });

  test('a holder that lost the lease moves no pointer and leaves no version, however late', async () => {
    const old = await acquire();
    const first = await storeOf(old).publish(bundle, {});
    await silence(old, 10_000);
    const next = await acquire(5_000);
    await expect(storeOf(old).publish(bundle, {})).rejects.toThrow(LeaseError);
    await expect(storeOf(old).setCurrent(first)).rejects.toThrow(LeaseError);
    const store = storeOf(next);
    expect(await store.current()).toBe(first);
    expect(await store.list()).toHaveLength(1);
    const second = await store.publish(bundle, {});
    expect(await store.current()).toBe(second);
  });

  test('the fence works if the lease is lost between the last check and the rename', async () => {
    const old = await acquire();
    let taken: Promise<Lease> | undefined;
    const fs = {
      ...nodeFs,
      async rename(from: string, to: string) {
        if (to.endsWith('current')) {
          await silence(old, 10_000);
          await (taken = acquire(5_000));
        }
        await nodeFs.rename(from, to);
      },
    } as unknown as typeof nodeFs;
    const store = createModelStore({ directory, detector: 'pump', lease: () => old.folder, fs });
    await expect(store.publish(bundle, {})).rejects.toThrow(LeaseError);
    expect(await taken).toBeDefined();
    expect(await storeOf(old).current()).toBeUndefined();
    expect(await storeOf(old).list()).toEqual([]);
  });

  test('the folder of the lease follows from its token', async () => {
    const lease = await acquire();
    expect(leaseFolder(directory, 'pump', lease.token)).toBe(lease.folder);
  });
});
