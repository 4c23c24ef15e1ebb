/** One HTTP request with limits on time and size. Redirects are not followed: they could send credentials elsewhere. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface HttpRequest {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** Body of the request; the method is then POST unless `method` is given. Without a body the method is GET. */
  body?: string | Uint8Array;
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Trusted certificate authorities, PEM; undefined = Node's defaults. */
  ca?: string | undefined;
  /** Client certificate and its private key, PEM, if the server requires one. */
  identity?: { cert: string; key: string } | undefined;
  /** Timeout of the whole request, ms. */
  timeoutMs: number;
  /** Number of bytes after which an answer is cut; undefined = a large answer is an error. */
  cutAfter?: number;
  /** Maximum size of an answer, bytes; default 4 MiB. */
  maxBytes?: number;
  /** Aborts the request. */
  signal?: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  body: string;
  /** Time of the server, Unix ms, in whole seconds; NaN if the server states none. */
  time: number;
  /** Time after which the server asks for a repetition (`Retry-After`), ms; 0 = not stated. */
  retryAfterMs: number;
}

/** Maximum size of an answer, bytes, unless the request allows more. */
const defaultMaxBytes = 4_194_304;

/** A URL whose last part is a folder, so that a path is added to it instead of replacing that part. */
export function baseUrl(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}

/** Sends the request. Resolves to any complete answer, whatever its status. */
export function ask({
  url,
  headers,
  body,
  ca,
  identity,
  timeoutMs,
  cutAfter,
  maxBytes = defaultMaxBytes,
  ...rest
}: HttpRequest): Promise<HttpAnswer> {
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = rest.signal === undefined ? timeout : AbortSignal.any([timeout, rest.signal]);
  const method = rest.method ?? (body === undefined ? 'GET' : 'POST');
  return new Promise((resolve, reject) => {
    const tls = { ...identity, ...(ca !== undefined && { ca }) };
    const request = send(url, { method, headers, signal, ...tls }, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (cutAfter !== undefined && bytes >= cutAfter) {
          finish();
          response.destroy();
        } else if (bytes > maxBytes)
          request.destroy(new Error(`the answer is larger than ${maxBytes} bytes`));
      });
      response.once('error', fail);
      response.once('end', finish);
      function finish(): void {
        const text = Buffer.concat(parts).subarray(0, cutAfter).toString();
        const time = Date.parse(response.headers.date ?? '');
        const retryAfterMs = readRetryAfter(response.headers['retry-after']);
        resolve({ status: response.statusCode ?? 0, body: text, time, retryAfterMs });
      }
    });
    function fail(cause: Error): void {
      reject(timeout.aborted ? new Error(`no answer within ${timeoutMs} ms`, { cause }) : cause);
    }
    request.once('error', fail);
    request.end(body);
  });
}

/** Parses the header: seconds, or a date. */
function readRetryAfter(header = ''): number {
  const ms = /^\d+$/.test(header) ? 1000 * Number(header) : Date.parse(header) - Date.now();
  return ms > 0 ? ms : 0;
}

/** Whether requests to a URL leave this machine without encryption. */
export function isUnencrypted(url: string): boolean {
  if (!url.startsWith('http://')) return false;
  return !['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}
