/** HTTP requests of notification sinks: headers from a file, a timeout, and whether an answer calls for another attempt. */
import { path } from '../../schema/formats';
import { duration } from '../../schema/time-formats';
import type { Parsed, Section } from '../../schema/key';
import type { SectionRule } from '../../schema/rule';
import { ask, type HttpRequest } from '../../system/http';
import { readText } from '../../system/secret';

export const endpointSection = {
  headersFile: path(
    {
      doc:
        'File of HTTP headers such as `Authorization`, one per line, with a colon after the name. It is read before each request, ' +
        'so that it can be replaced. Empty: none.',
      default: '',
      reloads: true,
    },
    { empty: true },
  ),
  ca: path(
    {
      doc: 'PEM file of the trusted certificate authorities. Empty: those of Node.js.',
      default: '',
      reloads: true,
    },
    { empty: true },
  ),
  clientCert: path(
    {
      doc: 'PEM file of the client certificate, where the receiver requires one (mTLS). Read before each request. Empty: none.',
      default: '',
      reloads: true,
    },
    { empty: true },
  ),
  clientKey: path(
    {
      doc: 'PEM file of the private key of the client certificate. Read before each request.',
      default: '',
      reloads: true,
    },
    { empty: true },
  ),
  timeout: duration(
    { doc: 'Limit of one request.', default: '10s', reloads: true },
    { min: 100, timer: true },
  ),
} satisfies Section;

export type EndpointSettings = Parsed<typeof endpointSection>;

export const endpointRules: readonly SectionRule<EndpointSettings, object>[] = [
  {
    keys: ['clientCert', 'clientKey'],
    problem: ({ clientCert, clientKey }) =>
      (clientCert === '') === (clientKey === '') ? undefined : 'and clientKey must be set together',
  },
];

/** The receiver rejects this message permanently. */
const maxAnswerBytes = 65_536;

export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/**
 * Status codes that another attempt cannot change. All others are repeated: a credential, a proxy or the receiver may be
 * replaced, and the queue is bounded anyway.
 */
const refusals = [400, 405, 409, 413, 415, 422];

export interface EndpointRequest extends Pick<HttpRequest, 'body' | 'method' | 'signal'> {
  url: URL;
  headers?: Readonly<Record<string, string>>;
}

/**
 * Sends JSON and returns the beginning of the answer.
 * @throws RefusedError if another attempt cannot succeed; otherwise an Error that contains neither the path of the URL nor a
 * secret
 */
export async function send(
  { headersFile, ca, clientCert, clientKey, timeoutMs }: EndpointSettings,
  { url, headers, ...request }: EndpointRequest,
): Promise<string> {
  const { status, body } = await ask({
    ...request,
    url,
    headers: {
      ...(request.body !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(request.body)),
      }),
      'user-agent': 'vaemon',
      ...headers,
      ...(headersFile !== '' && parseHeaders(readText(headersFile), headersFile)),
    },
    ca: ca === '' ? undefined : readText(ca),
    identity: clientCert === '' ? undefined : { cert: readText(clientCert), key: readText(clientKey) },
    timeoutMs,
    cutAfter: maxAnswerBytes,
  });
  if (status >= 200 && status < 300) return body;
  const message = `${url.host} answers with HTTP ${status}`;
  throw refusals.includes(status) ? new RefusedError(message) : new Error(message);
}

/** Header names that the request itself sets. */
const reserved = ['content-length', 'content-type', 'transfer-encoding', 'connection'];

/** @throws Error with the number of the line, but without its text, which may be a secret */
export function parseHeaders(text: string, file: string): Record<string, string> {
  const headers: Record<string, string> = {};
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() === '') return;
    const { name, value } =
      /^(?<name>[\w!#$%&'*+.^`|~-]+):[ \t]*(?<value>[\t\x20-\x7e\x80-\xff]*)$/.exec(line)?.groups ?? {};
    if (name === undefined || value === undefined)
      throw new Error(`line ${i + 1} of ${file} is not a header such as \`Name: value\``);
    if (reserved.includes(name.toLowerCase()))
      throw new Error(`line ${i + 1} of ${file} sets ${name}, which vaemon sets itself`);
    headers[name.toLowerCase()] = value.trimEnd();
  });
  return headers;
}
