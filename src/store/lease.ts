/**
 * A lease on a detector, which one process holds while it renews its heartbeat: to publish model versions or, in
 * `scoring-lease` instead of `lease`, to score records of a source that does not divide them between processes.
 *
 *     <directory>/<detector>/lease/holder-<token>/heartbeat    the holder, which rewrites this file regularly
 *     <directory>/<detector>/lease/ended-<token>/              the previous holder
 *
 * The folder of the holder is the fence: a new pointer to a version is written into this folder and renamed from there. A
 * process that takes the lease over renames the folder first. So a holder that was paused during its publication has no file to
 * rename when it continues, and no check can come too late. Tokens increase by one and identify the holders.
 */
import nodeFs from 'node:fs/promises';
import { privateFile, privateFolder } from '../system/atomic-write';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LeaseError } from '../errors';
import { entriesOf, errorCode, succeeds } from '../system/file-system';
import { incomingName, isRunning, machine, removeTemporaries } from '../system/temporary-names';

export interface Lease {
  token: number;
  /** Folder of the lease; a new pointer is renamed from here. */
  folder: string;
  /** Aborted when another process takes over the lease. */
  lost: AbortSignal;
  /** Writes the heartbeat now. Rejects with a LeaseError if another process took over the lease. */
  renew(): Promise<void>;
  /** Frees the lease for other processes. Idempotent. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  /** Directory of the store. */
  directory: string;
  detector: string;
  /** The operation that only the holder may perform; default `trains`. */
  duty?: 'trains' | 'scores';
  /** Age of the heartbeat from which another process may take over the lease, ms. */
  timeoutMs: number;
  /** Whether to write heartbeats on a separate thread, for a process that blocks its event loop longer than the timeout. */
  threaded?: boolean;
  /** Whether to take over the lease from a live holder, too. */
  force?: boolean;
}

/** Content of a heartbeat. */
interface Holder {
  machine: string;
  host: string;
  pid: number;
  /** ISO 8601, by the clock of the holder's machine; informative only. */
  at: string;
}

const pattern = /^(holder|ended)-(\d{12})$/;
const nameOf = (kind: 'holder' | 'ended', token: number): string =>
  `${kind}-${String(token).padStart(12, '0')}`;
/** Folders of the leases that this process holds. After a restart, an old heartbeat may contain its process id. */
const ours = new Set<string>();

function rootOf({ directory, detector, duty = 'trains' }: LeaseOptions): string {
  return join(directory, detector, duty === 'trains' ? 'lease' : 'scoring-lease');
}

/** Folder of the training lease with this token, which may have ended. */
export function leaseFolder(directory: string, detector: string, token: number): string {
  return join(directory, detector, 'lease', nameOf('holder', token));
}

/**
 * Acquires the lease.
 * @throws LeaseError that names the current holder
 */
export async function acquireLease(options: LeaseOptions): Promise<Lease> {
  const { detector, force = false } = options;
  const root = rootOf(options);
  await nodeFs.mkdir(root, { recursive: true, mode: privateFolder });
  await removeTemporaries(nodeFs, root, Date.now());
  for (let attempt = 0; attempt < 5; attempt++) {
    const known = await tokensIn(root);
    const newest = known.at(-1);
    if (newest?.kind === 'holder') {
      if (!force) await refuseWhileAlive(root, join(root, nameOf('holder', newest.token)), options);
      if (!(await ended(root, newest.token))) continue;
    }
    const token = (newest?.token ?? 0) + 1;
    const folder = join(root, nameOf('holder', token));
    if (!(await succeeds(nodeFs.mkdir(folder, { mode: privateFolder }), 'EEXIST'))) continue;
    // Another process may have taken and released a newer lease since the tokens were read.
    if ((await tokensIn(root)).at(-1)?.token !== token) {
      await nodeFs.rm(folder, { recursive: true, force: true });
      continue;
    }
    await removeEnded(root, token);
    return holdLease(root, folder, token, options);
  }
  throw new LeaseError(
    `other processes are taking the lease of detector "${detector}" in ${root} at the same time; try again`,
  );
}

async function holdLease(
  root: string,
  folder: string,
  token: number,
  { timeoutMs, detector, duty = 'trains', threaded = false }: LeaseOptions,
): Promise<Lease> {
  const heartbeat = join(folder, 'heartbeat');
  const lost = new AbortController();
  let released: Promise<void> | undefined;
  ours.add(folder);

  async function renew(): Promise<void> {
    const holder: Holder = { machine, host: hostname(), pid: process.pid, at: new Date().toISOString() };
    try {
      await nodeFs.writeFile(heartbeat, `${JSON.stringify(holder)}\n`, { mode: privateFile });
    } catch (cause) {
      if (errorCode(cause) !== 'ENOENT') {
        // On a full disk, the time of the file can still be set, which renews the lease as well.
        const now = new Date();
        await nodeFs.utimes(heartbeat, now, now).catch(() => {
          throw cause;
        });
        return;
      }
      const error = new LeaseError(
        `another process took over lease ${token} of detector "${detector}"; this process ${duty === 'trains' ? 'publishes no more versions' : 'scores no more records'}`,
      );
      if (released === undefined) lost.abort(error);
      throw error;
    }
  }

  await renew();
  const timer = setInterval(() => {
    void renew().catch(() => {
      if (lost.signal.aborted) clearInterval(timer);
    });
  }, timeoutMs / 3);
  timer.unref();
  const thread = threaded ? startThread(heartbeat, timeoutMs / 3) : undefined;

  async function end(): Promise<void> {
    clearInterval(timer);
    ours.delete(folder);
    await thread?.terminate();
    await ended(root, token);
  }
  return { token, folder, lost: lost.signal, renew, release: () => (released ??= end()) };
}

function startThread(heartbeat: string, everyMs: number): Worker {
  const thread = new Worker(
    `const { readFileSync, writeFileSync } = require('node:fs');
    const { workerData } = require('node:worker_threads');
    const holder = JSON.parse(readFileSync(workerData.heartbeat, 'utf8'));
    setInterval(() => {
      try {
        writeFileSync(workerData.heartbeat, JSON.stringify({ ...holder, at: new Date().toISOString() }) + '\\n');
      } catch (error) {
        // ENOENT: taken over. Other errors, such as a full disk, may be temporary.
        if (error.code === 'ENOENT') process.exit();
      }
    }, workerData.everyMs);`,
    { eval: true, workerData: { heartbeat, everyMs } },
  );
  thread.unref();
  // Without the thread the lease may be lost; the next renewal reports that.
  thread.on('error', () => undefined);
  return thread;
}

/** Tokens of the lease folders, the newest last. */
async function tokensIn(root: string): Promise<{ kind: string; token: number }[]> {
  return (await entriesOf(nodeFs, root))
    .map(({ name }) => pattern.exec(name))
    .filter((match) => match !== null)
    .map(([, kind, token]) => ({ kind: kind!, token: Number(token) }))
    .sort((a, b) => a.token - b.token);
}

/** @throws LeaseError if the holder may be alive */
async function refuseWhileAlive(
  root: string,
  folder: string,
  { timeoutMs, detector, duty = 'trains' }: LeaseOptions,
): Promise<void> {
  const holder = await livingHolder(root, folder, timeoutMs);
  if (holder !== undefined)
    throw new LeaseError(
      `${holder.name} ${duty} detector "${detector}": it holds the lease ${folder}, last renewed ${holder.seconds} s ago (store.leaseTimeout: ${timeoutMs / 1000} s)`,
    );
}

/** The holder of a lease, if it may be alive, and the seconds since it renewed the lease. */
async function livingHolder(root: string, folder: string, timeoutMs: number) {
  const heartbeat = join(folder, 'heartbeat');
  const holder = await readHolder(heartbeat);
  if (holder?.machine === machine && !isAlive(holder.pid, folder)) return undefined;
  const stat = await nodeFs.stat(heartbeat).catch(() => nodeFs.stat(folder).catch(() => undefined));
  // The holder released the lease in the meantime.
  if (stat === undefined) return undefined;
  const ageMs = (await timeOf(root)) - stat.mtimeMs;
  if (ageMs > timeoutMs) return undefined;
  const name = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return { name, seconds: Math.max(0, Math.round(ageMs / 1000)) };
}

/** The holder of the lease, such as `process 12 on host`; undefined if it is free. The lease is not changed. */
export async function findHolder(options: LeaseOptions): Promise<string | undefined> {
  const root = rootOf(options);
  const newest = (await tokensIn(root)).at(-1);
  if (newest?.kind !== 'holder') return undefined;
  return (await livingHolder(root, join(root, nameOf('holder', newest.token)), options.timeoutMs))?.name;
}

function isAlive(pid: number, folder: string): boolean {
  // After a restart in a container, this process may have the same id as the previous one.
  return pid === process.pid ? ours.has(folder) : isRunning(pid);
}

/**
 * Undefined if the file is missing or damaged. A file that its holder is writing at the moment is complete at the next read.
 */
async function readHolder(path: string): Promise<Holder | undefined> {
  for (let look = 0; look < 3; look++) {
    if (look > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const content = await nodeFs.readFile(path, 'utf8').catch(() => undefined);
    if (content === undefined) return undefined;
    const holder = toHolder(content);
    if (holder) return holder;
  }
  return undefined;
}

function toHolder(content: string): Holder | undefined {
  try {
    const holder = JSON.parse(content) as Partial<Holder> | null;
    return typeof holder?.pid === 'number' && typeof holder.host === 'string'
      ? (holder as Holder)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Time of the file system, Unix ms: the clocks of machines that share a volume differ. */
async function timeOf(root: string): Promise<number> {
  const probe = join(root, incomingName('time'));
  try {
    await nodeFs.writeFile(probe, `${process.hrtime.bigint()}`, { mode: privateFile });
    return (await nodeFs.stat(probe)).mtimeMs;
  } finally {
    await nodeFs.rm(probe, { force: true });
  }
}

/** Ends a lease; false if another process ended it first. */
async function ended(root: string, token: number): Promise<boolean> {
  const [from, to] = [join(root, nameOf('holder', token)), join(root, nameOf('ended', token))];
  return await succeeds(nodeFs.rename(from, to), 'ENOENT');
}

/** Removes ended leases except the newest, from which the tokens continue. */
async function removeEnded(root: string, token: number): Promise<void> {
  for (const one of await tokensIn(root)) {
    if (one.kind === 'ended' && one.token < token - 1)
      await nodeFs.rm(join(root, nameOf('ended', one.token)), { recursive: true, force: true });
  }
}
