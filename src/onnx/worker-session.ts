/**
 * Sessions on a separate thread, so that a large model under full load delays neither the heartbeats of a consumer nor the
 * metrics endpoint. All sessions of a process share the thread.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { OpenSession, Session } from './session';
import type { Answer, Request, Results, Tasks } from './session-worker';

export interface SessionThread {
  openSession: OpenSession;
  /** Reason why the thread has ended, and age of its oldest request without an answer, s. */
  health(): { ended: string | undefined; oldestRequestSeconds: number };
  /** Ends the thread; open requests reject. */
  close(): Promise<void>;
}

export function startSessionThread(): SessionThread {
  const worker = new Worker(join(__dirname, 'session-worker.js'));
  /** Callers that wait for an answer, by the number of the request. */
  const waiting = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void; since: number }
  >();
  let requests = 0;
  let ended: Error | undefined;

  function end(error: Error): void {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  }

  worker.unref();
  worker.on('message', (answer: Answer) => {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0) worker.unref();
    if ('error' in answer) asked?.reject(new Error(answer.error));
    else asked?.resolve(answer.result);
  });
  worker.on('error', (cause) => end(new Error('the scoring thread failed', { cause })));
  worker.on('exit', () => end(new Error('the scoring thread ended')));

  async function ask<Task extends keyof Tasks>(
    task: Task,
    ...inputs: Parameters<Tasks[Task]>
  ): Promise<Results[Task]> {
    if (ended !== undefined) throw ended;
    const id = requests++;
    worker.postMessage({ id, task, inputs } satisfies Request);
    // The thread keeps the process alive only while an answer is awaited.
    worker.ref();
    return await new Promise<Results[Task]>((resolve, reject) =>
      waiting.set(id, {
        resolve: resolve as (result: unknown) => void,
        reject,
        since: performance.now(),
      }),
    );
  }

  async function openSession(bytes: Uint8Array): Promise<Session> {
    const { session, inputs, outputs } = await ask('open', bytes);
    return {
      inputs,
      outputs,
      onThread: true,
      async run(feeds, wanted, into) {
        if (into !== undefined)
          throw new Error('a session on another thread cannot write into arrays of this thread');
        // Shared memory is passed by reference, other arrays are copied.
        return await ask('run', session, feeds, wanted);
      },
      release: () => ask('release', session),
    };
  }

  return {
    openSession,
    health() {
      // Requests are answered in their order, which a Map preserves.
      const [oldest] = waiting.values();
      return {
        ended: ended?.message,
        oldestRequestSeconds: oldest === undefined ? 0 : (performance.now() - oldest.since) / 1000,
      };
    },
    async close() {
      end(new Error('the scoring thread was closed'));
      await worker.terminate();
    },
  };
}
