/**
 * The other end of worker-session.ts: opens sessions and runs them, one request after the other. What comes with a request goes
 * back with its answer, so that no tensor is copied on the way.
 */
import { parentPort } from 'node:worker_threads';
import { openSession, type Feeds, type Session } from './session';

/** Of a request, and of its answer. */
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
    | { kind: 'ran'; outputs: Record<string, Float32Array>; feeds: Feeds }
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
      return { id, kind: 'ran', outputs, feeds };
    }
    case 'release': {
      const session = sessions.get(request.session);
      sessions.delete(request.session);
      await session?.release();
      return { id, kind: 'released' };
    }
  }
}

/** The memory of arrays, each once. */
export function memoryOf(arrays: Iterable<Float32Array>): ArrayBuffer[] {
  return [...new Set(Array.from(arrays, ({ buffer }) => buffer as ArrayBuffer))];
}

let before: Promise<void> = Promise.resolve();

parentPort?.on('message', (request: Request) => {
  before = before.then(async () => {
    const reply = await answer(request).catch((error: unknown): Answer => ({
      id: request.id,
      kind: 'failed',
      message: error instanceof Error ? error.message : String(error),
    }));
    const moved =
      reply.kind === 'ran'
        ? memoryOf([...Object.values(reply.outputs), ...Object.values(reply.feeds).map(({ data }) => data)])
        : [];
    parentPort?.postMessage(reply, moved);
  });
});
