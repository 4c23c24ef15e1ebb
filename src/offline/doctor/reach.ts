/** Checks whether an address accepts connections, and with TLS a secure one. */
import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { firstLineOf } from '../../system/error-text';

const timeoutMs = 5_000;

export interface Address {
  host: string;
  port: number;
}

/** Undefined if the address accepts a connection; otherwise the reason. */
export async function whyUnreachable(
  { host, port }: Address,
  tls?: ConnectionOptions,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  const socket =
    tls === undefined
      ? connect({ host, port })
      : connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...tls });
  try {
    await once(socket, tls === undefined ? 'connect' : 'secureConnect', { signal });
    return undefined;
  } catch (error) {
    return signal.aborted ? `no answer within ${timeoutMs / 1000} s` : firstLineOf(error);
  } finally {
    socket.destroy();
  }
}

/** Parses `host:port`, including IPv6 addresses such as `[::1]:9092`. */
export function addressOf(text: string): Address {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}

/** The host and port that a URL names. */
export function addressOfUrl(url: string): Address {
  const { hostname, port, protocol } = new URL(url);
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  };
}
