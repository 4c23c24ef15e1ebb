/** Formats of addresses and names on the network. */
import { isIP } from 'node:net';
import { key, list, text, type About } from './formats';
import type { Key } from './key';

/** Address of an HTTP service, or empty. Credentials have separate keys, which are hidden. */
export function url(about: About): Key<string> {
  const type = 'a URL that begins with `http://` or `https://`, or empty';
  return key(about, {
    type,
    read(value) {
      if (value === '') return value;
      // The value is not quoted, as it may contain a password.
      if (typeof value === 'string' && value.includes('@'))
        throw new Error('must not contain a user or a password: they have keys of their own');
      const isUrl = typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value);
      return isUrl ? value : undefined;
    },
  });
}

/** Distinct addresses of HTTP services. */
export function urls(about: About): Key<readonly string[]> {
  const one = url(about);
  return list(about, 'a list of URLs that begin with `http://` or `https://`', {
    item(value) {
      if (typeof value === 'string' && value.includes('@')) return one.parse(value);
      try {
        return value === '' ? undefined : one.parse(value);
      } catch {
        return undefined;
      }
    },
  });
}

/** Name of a Kafka topic, or empty. */
export function topic(about: About): Key<string> {
  return text(
    about,
    'a topic name (letters, digits, `.`, `_` and `-`, at most 249), or empty',
    (value) => value === '' || (/^[A-Za-z0-9._-]{1,249}$/.test(value) && !/^\.\.?$/.test(value)),
  );
}

/** An id that appears in the logs and metrics of brokers. */
export function identifier(about: About, { empty = false } = {}): Key<string> {
  return text(
    about,
    `a name of letters, digits, \`.\`, \`_\` and \`-\`${empty ? ', or empty' : ''}`,
    (value) => (empty && value === '') || /^[A-Za-z0-9._-]{1,249}$/.test(value),
  );
}

const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$/;

/** Also rejects an invalid IPv4 address such as `300.1.1.1`, which has the form of a host name. */
function isHost(value: string): boolean {
  return isIP(value) !== 0 || (hostName.test(value) && !/^[\d.]+$/.test(value));
}

/** Host name or address to listen on. */
export function host(about: About): Key<string> {
  return text(about, 'a host name or an IP address', isHost);
}

function isBroker(value: string): boolean {
  const parts = /^(?:\[(?<address>[^\]]+)\]|(?<name>[^:]+)):(?<port>\d{1,5})$/.exec(value)?.groups;
  if (parts === undefined) return false;
  const { address, name = '', port } = parts;
  const hostFits = address === undefined ? isHost(name) : isIP(address) === 6;
  return hostFits && Number(port) >= 1 && Number(port) <= 65535;
}

/** Distinct addresses of brokers. */
export function brokers(about: About): Key<readonly string[]> {
  return list(about, 'a list of brokers, each `host:port`', {
    item: (value) => (typeof value === 'string' && isBroker(value) ? value : undefined),
  });
}
