/** The thread of worker-session.ts: opens and runs sessions, one request after the other. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../system/error-text';
import { openSession, type Feeds, type Session } from './session';

const sessions = new Map<number, Session>();
let opened = 0;

const tasks = {
  open: async (bytes: Uint8Array) => {
    const session = await openSession(bytes);
    sessions.set(++opened, session);
    return { session: opened, inputs: session.inputs, outputs: session.outputs };
  },
  run: async (session: number, feeds: Feeds, wanted: readonly string[]) =>
    await sessions.get(session)!.run(feeds, wanted),
  release: async (session: number) => {
    const released = sessions.get(session);
    sessions.delete(session);
    await released?.release();
  },
};

export type Tasks = typeof tasks;
export type Results = { [Task in keyof Tasks]: Awaited<ReturnType<Tasks[Task]>> };

export interface Request {
  /** Number of the request and of its answer. */
  id: number;
  task: keyof Tasks;
  inputs: readonly unknown[];
}

export type Answer = { id: number } & ({ result: unknown } | { error: string });

let before: Promise<void> = Promise.resolve();

parentPort?.on('message', ({ id, task, inputs }: Request) => {
  before = before.then(async () => {
    const perform = tasks[task] as (...inputs: readonly unknown[]) => Promise<object>;
    try {
      const result = await perform(...inputs);
      const moved = task === 'run' ? Object.values(result as Record<string, Float32Array>) : [];
      const buffers = moved.map(({ buffer }) => buffer as ArrayBuffer);
      parentPort?.postMessage({ id, result } satisfies Answer, buffers);
    } catch (error) {
      parentPort?.postMessage({ id, error: messageOf(error) } satisfies Answer);
    }
  });
});
