/**
 * Sessions on a separate thread, so that a large model under full load delays neither the heartbeats of a consumer nor the
 * metrics endpoint. All sessions of a process share the thread.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { OpenSession, Session } from './session';
import type { Answer, Request } from './session-worker';

/** A request without its number. */
type Asked<T> = T extends unknown ? Omit<T, 'id'> : never;

export interface SessionThread {
  openSession: OpenSession;
  /** Ends the thread; open requests reject. */
  close(): Promise<void>;
}

export function startSessionThread(): SessionThread {
  const worker = new Worker(join(__dirname, 'session-worker.js'));
  /** Callers that wait for an answer, by the number of the request. */
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
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
    if (answer.kind === 'failed') asked?.reject(new Error(answer.message));
    else asked?.resolve(answer);
  });
  worker.on('error', (cause) => end(new Error('the scoring thread failed', { cause })));
  worker.on('exit', () => end(new Error('the scoring thread ended')));

  function ask<Kind extends Answer['kind']>(
    request: Asked<Request>,
    kind: Kind,
  ): Promise<Extract<Answer, { kind: Kind }>> {
    if (ended !== undefined) return Promise.reject(ended);
    const id = requests++;
    return new Promise((resolve, reject) => {
      const isWanted = (answer: Answer): answer is Extract<Answer, { kind: Kind }> => answer.kind === kind;
      waiting.set(id, {
        resolve: (answer) =>
          isWanted(answer) ? resolve(answer) : reject(new Error(`expected "${kind}", got "${answer.kind}"`)),
        reject,
      });
      // The thread keeps the process alive only while an answer is awaited.
      worker.ref();
      worker.postMessage({ ...request, id });
    });
  }

  async function openSession(bytes: Uint8Array): Promise<Session> {
    const { session, inputs, outputs } = await ask({ kind: 'open', bytes }, 'opened');
    return {
      inputs,
      outputs,
      onThread: true,
      async run(feeds, wanted, into) {
        if (into !== undefined)
          throw new Error('a session on another thread cannot write into arrays of this thread');
        // Shared memory is passed by reference, other arrays are copied.
        return (await ask({ kind: 'run', session, feeds, wanted }, 'ran')).outputs;
      },
      async release() {
        await ask({ kind: 'release', session }, 'released');
      },
    };
  }

  return {
    openSession,
    async close() {
      end(new Error('the scoring thread was closed'));
      await worker.terminate();
    },
  };
}
