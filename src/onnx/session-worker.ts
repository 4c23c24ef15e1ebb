/** Thread of worker-session.ts: opens and runs sessions, one request after the other. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../system/error-text';
import { openSession, type Feeds, type Session } from './session';

/** Number of a request and of its answer. */
export interface Exchange {
  id: number;
}

export type Request = Exchange &
  (
    | { kind: 'open'; bytes: Uint8Array }
    | { kind: 'run'; session: number; feeds: Feeds; wanted: readonly string[] }
    | { kind: 'release'; session: number }
  );

export type Answer = Exchange &
  (
    | { kind: 'opened'; session: number; inputs: readonly string[]; outputs: readonly string[] }
    | { kind: 'ran'; outputs: Record<string, Float32Array> }
    | { kind: 'released' }
    | { kind: 'failed'; message: string }
  );

const sessions = new Map<number, Session>();

async function answer(request: Request): Promise<Answer> {
  const { id } = request;
  switch (request.kind) {
    case 'open': {
      const session = await openSession(request.bytes);
      sessions.set(id, session);
      return { id, kind: 'opened', session: id, inputs: session.inputs, outputs: session.outputs };
    }
    case 'run': {
      const { feeds, wanted } = request;
      const outputs = await sessions.get(request.session)!.run(feeds, wanted);
      return { id, kind: 'ran', outputs };
    }
    case 'release': {
      const session = sessions.get(request.session);
      sessions.delete(request.session);
      await session?.release();
      return { id, kind: 'released' };
    }
  }
}

let before: Promise<void> = Promise.resolve();

parentPort?.on('message', (request: Request) => {
  before = before.then(async () => {
    const reply = await answer(request).catch((error: unknown): Answer => ({
      id: request.id,
      kind: 'failed',
      message: messageOf(error),
    }));
    const moved = reply.kind === 'ran' ? Object.values(reply.outputs).map(({ buffer }) => buffer) : [];
    parentPort?.postMessage(reply, moved as ArrayBuffer[]);
  });
});
