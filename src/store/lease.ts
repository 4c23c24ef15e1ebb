/**
 * Who may publish model versions of a detector: one process at a time, for as long as it says that it lives.
 *
 *     <directory>/<detector>/lease/holder-<token>/heartbeat    the holder, who writes it again and again
 *     <directory>/<detector>/lease/ended-<token>/              the one before
 *
 * The holder is a folder, and that is the fence: what moves the pointer to a version is written into it and renamed from there.
 * Whoever takes a lease over renames the folder first. So a holder that was paused, and wakes up in the middle of its
 * publication, has nothing left to rename: no check can come too late. Tokens rise by one, so each holder is told from the
 * others.
 */
import { createHash } from 'node:crypto';
import nodeFs from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LeaseError } from '../errors';
import { entriesOf, errorCode } from '../system/file-system';
import { incomingName, removeTemporaries } from '../system/temporary-names';

export interface Lease {
  token: number;
  /** What moves the pointer is renamed from here. */
  folder: string;
  /** Aborted when another process has taken it over. */
  lost: AbortSignal;
  /** Writes the heartbeat now; rejects with a LeaseError when another process has taken it over. */
  renew(): Promise<void>;
  /** Lets another process have it. Idempotent. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  /** Of the store. */
  directory: string;
  detector: string;
  /** A holder that has written no heartbeat for so long, ms, has lost it to who asks. */
  timeoutMs: number;
  /** A thread of its own writes the heartbeats: for a process that computes for longer than that at a stretch. */
  threaded?: boolean;
  /** Takes it from who has it, alive or not. */
  force?: boolean;
}

/** Who a heartbeat is of. */
interface Holder {
  machine: string;
  host: string;
  pid: number;
  /** ISO 8601, by the clock of its machine; for people. */
  at: string;
}

const pattern = /^(holder|ended)-(\d{12})$/;
const nameOf = (kind: 'holder' | 'ended', token: number): string =>
  `${kind}-${String(token).padStart(12, '0')}`;
const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
/** Of the leases that this process holds: a number of a process that was ours before a restart is not. */
const ours = new Set<string>();

/** Folder of the lease with this token, whether or not it is still held. */
export function leaseFolder(directory: string, detector: string, token: number): string {
  return join(directory, detector, 'lease', nameOf('holder', token));
}

/**
 * Becomes the holder.
 * @throws LeaseError that names the holder, while there is one
 */
export async function acquireLease(options: LeaseOptions): Promise<Lease> {
  const { directory, detector, timeoutMs, force = false } = options;
  const root = join(directory, detector, 'lease');
  await nodeFs.mkdir(root, { recursive: true });
  await removeTemporaries(nodeFs, root, Date.now());
  for (let attempt = 0; attempt < 5; attempt++) {
    const known = await tokensIn(root);
    const newest = known.at(-1);
    if (newest?.kind === 'holder') {
      const folder = join(root, nameOf('holder', newest.token));
      if (!force) await refuseWhileAlive(root, folder, timeoutMs, detector);
      if (!(await moved(folder, join(root, nameOf('ended', newest.token))))) continue;
    }
    const token = (newest?.token ?? 0) + 1;
    const folder = leaseFolder(directory, detector, token);
    if (!(await made(folder))) continue;
    // Between the look and this, others may have come and gone: then the token is an old one.
    if ((await tokensIn(root)).at(-1)?.token !== token) {
      await nodeFs.rm(folder, { recursive: true, force: true });
      continue;
    }
    await removeEnded(root, token);
    return holdLease(root, folder, token, options);
  }
  throw new LeaseError(`the lease of detector "${detector}" is being fought for in ${root}; try again`);
}

async function holdLease(
  root: string,
  folder: string,
  token: number,
  { timeoutMs, detector, threaded = false }: LeaseOptions,
): Promise<Lease> {
  const lost = new AbortController();
  let released: Promise<void> | undefined;
  ours.add(folder);

  async function renew(): Promise<void> {
    const holder: Holder = { machine, host: hostname(), pid: process.pid, at: new Date().toISOString() };
    try {
      await nodeFs.writeFile(join(folder, 'heartbeat'), `${JSON.stringify(holder)}\n`);
    } catch (cause) {
      // A full disk loses no lease; where the time of the file can be set nothing needs to be written.
      if (errorCode(cause) !== 'ENOENT' && (await touched(join(folder, 'heartbeat')))) return;
      if (errorCode(cause) !== 'ENOENT') throw cause;
      const error = new LeaseError(
        `another process has taken over the lease ${token} of detector "${detector}"; nothing is published any more`,
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
  const thread = threaded ? startThread(join(folder, 'heartbeat'), timeoutMs / 3) : undefined;

  async function end(): Promise<void> {
    clearInterval(timer);
    ours.delete(folder);
    await thread?.terminate();
    await moved(folder, join(root, nameOf('ended', token)));
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
        // Taken over; anything else, such as a full disk, may pass.
        if (error.code === 'ENOENT') process.exit();
      }
    }, workerData.everyMs);`,
    { eval: true, workerData: { heartbeat, everyMs } },
  );
  thread.unref();
  // Without it the lease may be lost, and then nothing is published; that is said then.
  thread.on('error', () => undefined);
  return thread;
}

async function touched(path: string): Promise<boolean> {
  const now = new Date();
  return nodeFs.utimes(path, now, now).then(
    () => true,
    () => false,
  );
}

/** By token, the newest last. */
async function tokensIn(root: string): Promise<{ kind: string; token: number }[]> {
  return (await entriesOf(nodeFs, root))
    .map(({ name }) => pattern.exec(name))
    .filter((match) => match !== null)
    .map(([, kind, token]) => ({ kind: kind!, token: Number(token) }))
    .sort((a, b) => a.token - b.token);
}

/** @throws LeaseError while the holder may be alive */
async function refuseWhileAlive(
  root: string,
  folder: string,
  timeoutMs: number,
  detector: string,
): Promise<void> {
  const heartbeat = join(folder, 'heartbeat');
  const holder = await readHolder(heartbeat);
  if (holder?.machine === machine && !isAlive(holder.pid, folder)) return;
  const stat = await nodeFs.stat(heartbeat).catch(() => nodeFs.stat(folder).catch(() => undefined));
  // It has gone in between.
  if (stat === undefined) return;
  const ageMs = (await timeOf(root)) - stat.mtimeMs;
  if (ageMs > timeoutMs) return;
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  throw new LeaseError(
    `${who} trains detector "${detector}": it holds the lease ${folder}, last renewed ${Math.max(0, Math.round(ageMs / 1000))} s ago (store.leaseTimeout: ${timeoutMs / 1000} s)`,
  );
}

function isAlive(pid: number, folder: string): boolean {
  // After a restart in a container the same number is another process: this one.
  if (pid === process.pid) return ours.has(folder);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another user.
    return errorCode(error) !== 'ESRCH';
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const holder = JSON.parse(await nodeFs.readFile(path, 'utf8')) as Partial<Holder> | null;
    return typeof holder?.pid === 'number' && typeof holder.host === 'string'
      ? (holder as Holder)
      : undefined;
  } catch {
    // It is just being written, or has gone.
    return undefined;
  }
}

/** What time it is where the files are, Unix ms: clocks of machines that share a volume differ. */
async function timeOf(root: string): Promise<number> {
  const probe = join(root, incomingName('time'));
  try {
    await nodeFs.writeFile(probe, `${process.hrtime.bigint()}`);
    return (await nodeFs.stat(probe)).mtimeMs;
  } finally {
    await nodeFs.rm(probe, { force: true });
  }
}

async function made(folder: string): Promise<boolean> {
  try {
    await nodeFs.mkdir(folder);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** False when someone else has been faster. */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await nodeFs.rename(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** The newest stays, so that tokens go on from it. */
async function removeEnded(root: string, token: number): Promise<void> {
  for (const one of await tokensIn(root)) {
    if (one.kind === 'ended' && one.token < token - 1)
      await nodeFs.rm(join(root, nameOf('ended', one.token)), { recursive: true, force: true });
  }
}
