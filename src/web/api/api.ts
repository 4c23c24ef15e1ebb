/** The API below /api/v1: access, limits, parameters, and the routes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { SerialQueue } from '../../system/serial-queue';
import { failure, json, pathOf, usualHeaders, type Answer } from '../answer';
import type { AccessRules } from './access';
import { createAdmission } from './admission';
import type { DetectorEntry } from './detector-view';
import { AuditError, auditChange, type Audit } from './audit';
import { createEventStream } from './event-stream';
import { createInputReader } from './input';
import { openApiDocument } from './openapi';
import { ApiError, type ApiCall, type ApiContext, type Route } from './route';
import { findRoute } from './router';
import { changeRoutes } from './routes/changes';
import { detectorRoutes } from './routes/detectors';
import { deviceRoutes } from './routes/devices';
import { describeEvent, eventRoutes } from './routes/events';
import { versionRoutes } from './routes/versions';
import type { PastEvent } from '../../past/past-event';

export interface ApiOptions {
  /** Version of vaemon. */
  version: string;
  access: AccessRules;
  detectors: () => readonly DetectorEntry[];
  /** Writes an entry before each change, and one for its outcome. */
  audit: Audit;
  log?: Record<'error' | 'warn', (message: string, fields: Record<string, unknown>) => unknown>;
  /** Monotonic time, ms. */
  now?: () => number;
}

const streamPath = '/events/stream';

/** Every route, those about the API itself included. */
export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    answer: { type: 'object' },
    handle: (_, { version }) => openApiDocument(routes, version),
  },
  ...detectorRoutes,
  ...eventRoutes,
  {
    method: 'GET',
    path: streamPath,
    summary:
      'Events as they open, close and are labelled: server-sent events `event` with the JSON of an Event',
    answer: { type: 'string' },
    mediaType: 'text/event-stream',
    handle: () => undefined,
  },
  ...deviceRoutes,
  ...versionRoutes,
  ...changeRoutes,
];

export type Api = ReturnType<typeof createApi>;

export function createApi(options: ApiOptions) {
  const { version, access, detectors, audit, log, now = () => performance.now() } = options;
  const context: ApiContext = { version, detectors };
  const stream = createEventStream(describeEvent);
  const refuse = createAdmission({ access, log, now });
  const input = createInputReader(routes);
  const changes = new SerialQueue();
  let requests = 0;

  /** @returns undefined if the response has become a stream */
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    try {
      return await answerTo(request, response);
    } catch (error) {
      if (error instanceof ApiError) return failure(error.status, error.message, error.hint);
      log?.error('request failed', { err: error, path: pathOf(request) });
      return failure(500, 'internal error', 'the log of the daemon contains the error');
    }
  }

  async function answerTo(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
    const refusal = refuse(request, method);
    if (refusal !== undefined) return refusal;
    const { route, given } = findRoute(routes, method, pathOf(request));
    const params = { ...given, ...(await input.query(request, route)) };
    if (route.path === streamPath) {
      if (stream.isFull) throw new ApiError(503, 'too many clients follow the events', 'try again later');
      stream.add(response, usualHeaders);
      return undefined;
    }
    const call: ApiCall = { params, body: await input.body(request, route) };
    const answer = async (): Promise<Answer> => json(route.status ?? 200, await route.handle(call, context));
    return method === 'GET' ? answer() : changeInTurn(request, call, answer);
  }

  /**
   * Makes one change at a time, so that each one applies to the state that the person saw. Without an entry in the audit log
   * nothing is changed.
   */
  function changeInTurn(
    request: IncomingMessage,
    call: ApiCall,
    change: () => Promise<Answer>,
  ): Promise<Answer> {
    const entry = {
      request: ++requests,
      method: request.method,
      path: pathOf(request),
      from: request.socket.remoteAddress,
      body: call.body,
    };
    return changes.run(() =>
      auditChange(audit, entry, change, (outcome, err) =>
        log?.error('the outcome of a change is not in the audit log', { ...entry, ...outcome, err }),
      ).catch((error: unknown) => {
        if (!(error instanceof AuditError)) throw error;
        log?.error(error.message, { err: error.cause });
        throw new ApiError(503, error.message);
      }),
    );
  }

  return {
    handle,
    /** Sends an event to the clients that follow the events. */
    publish: (past: PastEvent) => stream.publish(past),
    /** Ends all streams. Idempotent. */
    close: () => stream.close(),
  };
}
