/** The API below /api/v1: access, limits, parameters, and the route that answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { loadAjv, type AnySchema } from '../../codecs/json-schema/ajv';
import { isObject } from '../../system/json';
import { json, pathOf, usualHeaders, type Answer } from '../answer';
import { refuseChange, refuseReading, type AccessRules } from './access';
import type { DetectorEntry } from './detector-view';
import { AuditError, auditChange, type Audit } from './audit';
import { createEventStream } from './event-stream';
import { apiPrefix, openApiDocument, pathNames } from './openapi';
import { createRateLimit } from './rate-limit';
import { ApiError, objectOf, type ApiCall, type ApiContext, type Route } from './route';
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
  /** Takes each change before it is made, and its outcome. */
  audit: Audit;
  log?: Record<'error' | 'warn', (message: string, fields: Record<string, unknown>) => unknown>;
  /** Ms, of a clock that is not set. */
  now?: () => number;
}

/** Largest body of a request, bytes. */
const maxBodyBytes = 65_536;

/** Per second and burst: requests of all clients together, those with a wrong token, log lines on refused ones. */
const limits = {
  reads: { perSecond: 100, burst: 400 },
  changes: { perSecond: 5, burst: 20 },
  wrongTokens: { perSecond: 1, burst: 10 },
  refusals: { perSecond: 0.1, burst: 10 },
};

const streamPath = '/events/stream';

/** Every route, with those of the API itself. */
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

const querySchemas = new Map(
  routes.map((route) => [route, objectOf(route.query ?? {}, Object.keys(route.query ?? {}))]),
);

export type Api = ReturnType<typeof createApi>;

export function createApi(options: ApiOptions) {
  const { version, access, detectors, audit, log, now = () => performance.now() } = options;
  const context: ApiContext = { version, detectors };
  const stream = createEventStream(describeEvent);
  const reads = createRateLimit(limits.reads, now);
  const changes = createRateLimit(limits.changes, now);
  const wrongTokens = createRateLimit(limits.wrongTokens, now);
  const refusals = createRateLimit(limits.refusals, now);
  const validatorOf = createValidators();
  let requests = 0;
  let lastChange: Promise<void> = Promise.resolve();

  /** @returns undefined where the response has become a stream */
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
    const isChange = method !== 'GET';
    const caller = { remoteAddress: request.socket.remoteAddress, method, headers: request.headers };
    const refusal = (isChange ? refuseChange : refuseReading)(caller, access);
    if (refusal !== undefined) {
      if (refusal.wrongToken === true && !wrongTokens.take()) return tooMany();
      if ((isChange || refusal.wrongToken === true) && refusals.take())
        log?.warn('request refused', {
          method,
          path: pathOf(request),
          from: caller.remoteAddress,
          reason: refusal.error,
        });
      const challenge = refusal.status === 401 ? { 'www-authenticate': 'Bearer' } : undefined;
      return failure(refusal.status, refusal.error, refusal.hint, challenge);
    }
    // After access: refused requests take nothing from others.
    if (!(isChange ? changes : reads).take()) return tooMany();
    const { route, given } = findRoute(method, pathOf(request));
    const params = { ...given, ...(await readQuery(route, request)) };
    if (route.path === streamPath) {
      if (stream.isFull) throw new ApiError(503, 'too many clients follow the events', 'try again later');
      stream.add(response, usualHeaders);
      return undefined;
    }
    const call: ApiCall = { params, body: await readBody(route, request) };
    const answer = async (): Promise<Answer> => json(route.status ?? 200, await route.handle(call, context));
    return isChange ? changeInTurn(request, call, answer) : answer();
  }

  /** One change at a time, so that a person changes what they have seen. Without an entry in the audit log nothing is changed. */
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
    const result = lastChange.then(() =>
      auditChange(audit, entry, change, (outcome, err) =>
        log?.error('the outcome of a change is not in the audit log', { ...entry, ...outcome, err }),
      ).catch((error: unknown) => {
        if (!(error instanceof AuditError)) throw error;
        log?.error(error.message, { err: error.cause });
        throw new ApiError(503, error.message);
      }),
    );
    lastChange = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  async function readQuery(route: Route, request: IncomingMessage): Promise<ApiCall['params']> {
    const { query = {} } = route;
    const params: Record<string, string | number> = {};
    for (const [name, text] of new URLSearchParams((request.url ?? '').slice(pathOf(request).length))) {
      const schema = query[name];
      if (schema === undefined)
        throw new ApiError(
          400,
          `unknown parameter ${JSON.stringify(name)}`,
          `known: ${Object.keys(query).join(', ')}`,
        );
      if (params[name] !== undefined)
        throw new ApiError(400, `parameter ${JSON.stringify(name)} is given twice`);
      const isNumber = schema['type'] === 'number' || schema['type'] === 'integer';
      params[name] = isNumber && text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    }
    await check(querySchemas.get(route)!, params, 'parameter');
    return params;
  }

  async function readBody(route: Route, request: IncomingMessage): Promise<ApiCall['body']> {
    if (route.body === undefined) return undefined;
    const text = await readText(request);
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      throw new ApiError(400, 'the body is not JSON');
    }
    await check(route.body, body, 'body');
    return isObject(body) ? body : undefined;
  }

  async function check(schema: object, value: unknown, what: string): Promise<void> {
    const problem = (await validatorOf(schema))(value);
    if (problem !== undefined) throw new ApiError(400, `${what} ${problem}`);
  }

  return {
    handle,
    /** Sends an event to the clients that follow them. */
    publish: (past: PastEvent) => stream.publish(past),
    /** Ends the streams. Idempotent. */
    close: () => stream.close(),
  };
}

/** The route of a path and its parameters; routes without parameters come first. */
function findRoute(method: string, path: string): { route: Route; given: Record<string, string> } {
  const parts = path.split('/');
  const matching = routes
    .filter((route) => {
      const wanted = (apiPrefix + route.path).split('/');
      return (
        wanted.length === parts.length && wanted.every((one, i) => one.startsWith('{') || one === parts[i])
      );
    })
    .sort((a, b) => pathNames(a.path).length - pathNames(b.path).length);
  const [nearest] = matching;
  if (nearest === undefined)
    throw new ApiError(404, 'there is no such path', `${apiPrefix}/openapi.json lists all of them`);
  const route = matching.find((one) => one.path === nearest.path && one.method === method);
  if (route === undefined) {
    const allowed = matching.filter((one) => one.path === nearest.path).map((one) => one.method);
    throw new ApiError(405, `the method must be ${allowed.join(' or ')}`);
  }
  const given: Record<string, string> = {};
  (apiPrefix + route.path).split('/').forEach((one, i) => {
    if (one.startsWith('{')) given[one.slice(1, -1)] = decodePart(parts[i]!);
  });
  return { route, given };
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError(400, 'the path is not valid: a percent sign is followed by two hexadecimal digits');
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const tooLarge = new ApiError(413, `the body is larger than ${maxBodyBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBodyBytes) throw tooLarge;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** Compiles each schema once; the validator returns the first error of a value, if it has any. */
function createValidators() {
  const known = new WeakMap<object, (value: unknown) => string | undefined>();
  return async (schema: object): Promise<(value: unknown) => string | undefined> => {
    const found = known.get(schema);
    if (found !== undefined) return found;
    const ajv = (await loadAjv('2020-12'))!;
    const validate = ajv.compile(schema as AnySchema);
    const validator = (value: unknown): string | undefined => {
      if (validate(value)) return undefined;
      const [problem] = validate.errors ?? [];
      const { instancePath = '', message = 'is not valid', params } = problem ?? {};
      const where = instancePath === '' ? '' : `${instancePath.slice(1).replaceAll('/', '.')} `;
      const { allowedValues, additionalProperty } = (params ?? {}) as Record<string, unknown>;
      const more = Array.isArray(allowedValues)
        ? `: ${allowedValues.join(', ')}`
        : typeof additionalProperty === 'string'
          ? `: ${additionalProperty}`
          : '';
      return `${where}${message}${more}`;
    };
    known.set(schema, validator);
    return validator;
  };
}

function failure(status: number, error: string, hint?: string, headers?: Answer['headers']): Answer {
  return json(status, { error, ...(hint !== undefined && { hint }) }, headers);
}

function tooMany(): Answer {
  return failure(429, 'too many requests', 'wait a moment', { 'retry-after': '1' });
}
