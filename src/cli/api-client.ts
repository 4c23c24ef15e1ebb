/** Client of a daemon's API, for commands. The address and the token follow from the configuration. */
import { loadSettings } from '../config/load';
import type { Settings } from '../config/settings';
import { messageOf } from '../system/error-text';
import { ask } from '../system/http';
import { errorCode } from '../system/file-system';
import { isObject, type JsonObject } from '../system/json';
import { readSecret } from '../system/secret';
import { auditChange, createAudit } from '../web/api/audit';
import { apiPrefix } from '../web/api/openapi';
import type { CommandContext } from './context';
import type { DetectorOptions } from './options';

export interface ApiOptions extends DetectorOptions {
  url?: string;
}

export const urlHelp = 'address of the daemon (default: http.host and http.port of the configuration)';

/** Timeout for an answer, ms. It is long because a version is verified before it is used. */
const timeoutMs = 60_000;

/** No daemon listens at the address. */
class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

export interface ApiClient {
  settings: Settings;
  /** @throws UnreachableError; Error with the text of the API */
  request(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<JsonObject>;
  /** Follows a stream of server-sent events. @throws as `request` */
  stream(path: string): Promise<ReadableStream<Uint8Array>>;
}

export async function openApi(
  path: string,
  { set: overrides, url }: ApiOptions,
  { env }: CommandContext,
): Promise<ApiClient> {
  const settings = await loadSettings(path, { env, overrides });
  const { http, api } = settings.daemon;
  const base = `${(url ?? addressOf(http)).replace(/\/+$/, '')}${apiPrefix}`;
  const file = api.tokenFile === '' ? api.readTokenFile : api.tokenFile;
  const token = readSecret('', file);
  const headers = {
    'content-type': 'application/json',
    ...(token !== '' && { authorization: `Bearer ${token}` }),
  };
  const unreachable = (cause: unknown): UnreachableError =>
    new UnreachableError(`no daemon answers at ${base}: start it, or name its address with --url`, { cause });
  return {
    settings,
    async request(method, route, body) {
      const { status, body: text } = await ask({
        url: new URL(base + route),
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        timeoutMs,
      }).catch((cause: unknown) => {
        const code = errorCode(cause);
        throw code === 'ECONNREFUSED' || code === 'ENOTFOUND' ? unreachable(cause) : cause;
      });
      const answer = parse(text);
      if (status >= 200 && status < 300) return answer;
      throw refusal(status, answer);
    },
    async stream(route) {
      const response = await fetch(base + route, { headers }).catch((cause: unknown) => {
        throw unreachable(cause);
      });
      if (!response.ok || response.body === null)
        throw refusal(response.status, parse(await response.text()));
      return response.body;
    },
  };
}

function refusal(status: number, answer: JsonObject): Error {
  const { error = `status ${status}`, hint } = answer as { error?: string; hint?: string };
  return new Error(hint === undefined ? error : `${error}: ${hint}`);
}

/** Asks the daemon to do the work; if none answers, does it in the store. */
export async function byDaemonOrStore<T>(
  { stderr }: CommandContext,
  byDaemon: () => Promise<T>,
  inStore: () => Promise<T>,
): Promise<T> {
  return byDaemon().catch((error: unknown) => {
    if (!(error instanceof UnreachableError)) throw error;
    stderr.write('no daemon answers: the command works on the store\n');
    return inStore();
  });
}

/**
 * Makes a change in the store, with its entries in the audit log.
 * @throws Error if the log cannot be written; nothing is changed then
 */
export function changeStore<T>(
  { daemon }: Settings,
  { stderr }: CommandContext,
  entry: { detector: string; action: string } & Record<string, unknown>,
  change: () => Promise<T>,
): Promise<T> {
  const audit = createAudit(daemon.store.path);
  const user = process.getuid?.();
  return auditChange(audit, { request: 1, by: 'command', user, ...entry }, change, (_, err) =>
    stderr.write(`the outcome is not in the audit log: ${messageOf(err)}\n`),
  );
}

/** URL at which a daemon on this machine can be reached. */
export function addressOf({ host, port }: Settings['daemon']['http']): string {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}

function parse(text: string): JsonObject {
  try {
    const answer: unknown = JSON.parse(text);
    return isObject(answer) ? answer : {};
  } catch {
    return {};
  }
}

/** A path with its parts escaped, as the tag of a template. */
export function route(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return parts.reduce((text, part, i) => text + encodeURIComponent(values[i - 1]!) + part);
}
