/** One HTTP request with limits on time and size. Redirects are not followed: they could send credentials elsewhere. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface HttpRequest {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** Sent with POST; without a body the method is GET. */
  body?: string;
  /** Trusted authorities, PEM; undefined = those that Node trusts. */
  ca?: string | undefined;
  /** For the whole request, ms. */
  timeoutMs: number;
}

export interface HttpAnswer {
  status: number;
  body: string;
}

/** Largest answer, bytes. */
const maxBytes = 4_194_304;

/** Resolves with any complete answer, whatever its status. */
export function ask({ url, headers, body, ca, timeoutMs }: HttpRequest): Promise<HttpAnswer> {
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      { method: body === undefined ? 'GET' : 'POST', headers, signal, ...(ca !== undefined && { ca }) },
      (response) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        response.on('data', (part: Buffer) => {
          parts.push(part);
          bytes += part.length;
          if (bytes > maxBytes) request.destroy(new Error(`the answer is larger than ${maxBytes} bytes`));
        });
        response.once('error', fail);
        response.once('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() });
        });
      },
    );
    function fail(cause: Error): void {
      reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`, { cause }) : cause);
    }
    request.once('error', fail);
    request.end(body);
  });
}
