/** Access rules of the API: who may read, and who may change something. */
import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * `loopback`: programs on this machine, and clients with a token; `token`: only clients with a token; `open`: all, as a proxy
 * checks them.
 */
export type Reading = 'loopback' | 'token' | 'open';

export interface AccessRules {
  reading: Reading;
  /** The token that allows reading; undefined = none. @throws Error if it is configured but cannot be read */
  readToken: () => string | undefined;
  /** The token that allows reading and changes. */
  changeToken: () => string | undefined;
}

/** The facts about a request that decide on its access. */
export interface Caller {
  remoteAddress: string | undefined;
  method: string;
  /** Headers as in node:http: names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Refusal {
  status: 401 | 403 | 415 | 503;
  error: string;
  hint?: string;
  /** Set if the request contains a token that is wrong. */
  wrongToken?: boolean;
}

/** Shortest token that is accepted; shorter ones can be guessed. */
export const shortestToken = 16;

/** The reason to refuse a read; undefined if the caller may read. */
export function refuseReading(caller: Caller, rules: AccessRules): Refusal | undefined {
  const foreign = refuseForeign(caller);
  if (foreign !== undefined) return foreign;
  if (rules.reading === 'open') return undefined;
  const given = bearerOf(caller);
  if (given !== undefined) {
    const tokens = tryTokens([rules.readToken, rules.changeToken]);
    if (tokens.some((token) => isEqual(given, token))) return undefined;
    return { status: 401, error: 'wrong token', wrongToken: true };
  }
  if (rules.reading === 'loopback') {
    if (isLocal(caller)) return undefined;
    return {
      status: 401,
      error: 'reading needs a token from other machines',
      hint: 'send the token of api.readTokenFile as "Authorization: Bearer …", or set api.reading to "open" behind a proxy that checks users',
    };
  }
  return { status: 401, error: 'reading needs a token', hint: 'send "Authorization: Bearer …"' };
}

/** The reason to refuse a change; undefined if the caller may change something. */
export function refuseChange(caller: Caller, rules: AccessRules): Refusal | undefined {
  const foreign = refuseForeign(caller);
  if (foreign !== undefined) return foreign;
  const type = headerOf(caller, 'content-type')?.split(';', 1)[0]!.trim().toLowerCase();
  // A form on another site cannot send this type without a preflight request, which is never answered.
  if (type !== 'application/json') return { status: 415, error: 'the content type must be application/json' };
  let token: string | undefined;
  try {
    token = rules.changeToken();
  } catch (error) {
    return {
      status: 503,
      error: 'the token of api.tokenFile cannot be used',
      hint: (error as Error).message,
    };
  }
  if (token === undefined)
    return { status: 403, error: 'changes are off', hint: 'set api.tokenFile to a file with a token' };
  const given = bearerOf(caller);
  if (given === undefined)
    return { status: 401, error: 'changes need a token', hint: 'send "Authorization: Bearer …"' };
  return isEqual(given, token) ? undefined : { status: 401, error: 'wrong token', wrongToken: true };
}

/** A page of another site must neither read nor change anything with the rights of the browser's user. */
function refuseForeign(caller: Caller): Refusal | undefined {
  const site = headerOf(caller, 'sec-fetch-site');
  const origin = headerOf(caller, 'origin');
  const isOwnOrigin = origin === undefined || hostOf(origin) === headerOf(caller, 'host')?.toLowerCase();
  if (isOwnOrigin && (site === undefined || site === 'same-origin' || site === 'none')) return undefined;
  return { status: 403, error: 'requests from pages of other sites are refused' };
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host.toLowerCase();
  } catch {
    return undefined;
  }
}

/**
 * Whether a request comes from this machine itself. The name of the host must be local as well, as a foreign name may resolve
 * to this machine (DNS rebinding); a request through a proxy has an additional header.
 */
function isLocal(caller: Caller): boolean {
  const { remoteAddress = '', headers } = caller;
  const isForwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some(
    (name) => headers[name] !== undefined,
  );
  return !isForwarded && isLoopbackAddress(remoteAddress) && isLoopbackHost(headerOf(caller, 'host') ?? '');
}

export function isLoopbackAddress(address: string): boolean {
  return /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/i.test(address);
}

function isLoopbackHost(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host);
}

function headerOf({ headers }: Caller, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function bearerOf(caller: Caller): string | undefined {
  const given = headerOf(caller, 'authorization');
  return given === undefined ? undefined : (/^Bearer ([\x21-\x7e]+)$/i.exec(given)?.[1] ?? '');
}

/** The tokens that can be read: a damaged file of one token must not disable the other. */
function tryTokens(tokens: readonly (() => string | undefined)[]): string[] {
  return tokens.flatMap((read) => {
    try {
      return read() ?? [];
    } catch {
      return [];
    }
  });
}

/** Compares in a time that depends neither on the first difference nor on the lengths. */
function isEqual(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
