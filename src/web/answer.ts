/** Answers to HTTP requests. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Answer {
  status: number;
  contentType: string;
  body: string | Buffer;
  headers?: Readonly<Record<string, string>>;
}

export function json(status: number, body: unknown, headers?: Answer['headers']): Answer {
  const text = `${JSON.stringify(body)}\n`;
  return { status, contentType: 'application/json; charset=utf-8', body: text, ...(headers && { headers }) };
}

/** Headers of every answer. */
export const usualHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

export function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status, contentType, body, headers } = answer;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    ...usualHeaders,
    ...headers,
    // The body of a rejected request is not read, so the connection must close.
    ...(request.method !== 'GET' && !request.complete && { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!;
}

/** The answer to a request that fails, with a hint on what to do. */
export function failure(status: number, error: string, hint?: string, headers?: Answer['headers']): Answer {
  return json(status, { error, ...(hint !== undefined && { hint }) }, headers);
}
