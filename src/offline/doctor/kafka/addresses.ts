/**
 * Checks whether the addresses of brokers accept connections: the configured addresses, and those that brokers advertise to
 * clients.
 */
import { firstLineOf } from '../../../system/error-text';
import { readText } from '../../../system/secret';
import { warning, wrong } from '../finding';
import { addressOf, whyUnreachable } from '../reach';
import type { Report } from './cluster';
import { quoted } from './commands';
import type { Connection, Duties } from './duties';

/** Maximum number of addresses that are tried. */
const maxBrokers = 10;

/** Returns whether one of the brokers accepts connections, with TLS where that is enabled. */
export async function examineAddresses({ connection, section }: Duties, report: Report): Promise<boolean> {
  const { brokers, tls } = connection;
  const secure = tls.enabled ? tlsOptions(tls) : undefined;
  if (secure instanceof Error) {
    report(wrong('TLS', firstLineOf(secure), `correct the files of ${section}.tls`));
    return false;
  }
  const tried = brokers.slice(0, maxBrokers);
  const results = await Promise.all(
    tried.map(async (broker) => {
      const address = addressOf(broker);
      const unreachable = await whyUnreachable(address);
      const insecure =
        unreachable === undefined && secure !== undefined ? await whyUnreachable(address, secure) : undefined;
      return { broker, unreachable, insecure };
    }),
  );
  const works = results.some(
    ({ unreachable, insecure }) => unreachable === undefined && insecure === undefined,
  );
  const level = works ? warning : wrong;
  for (const { broker, unreachable, insecure } of results) {
    const { host, port } = addressOf(broker);
    if (unreachable !== undefined)
      report(
        level(`broker ${broker}`, unreachable, `correct ${section}.brokers, or see nc -vz ${host} ${port}`),
      );
    else if (insecure !== undefined) {
      const ca = tls.ca === '' ? '' : ` -CAfile ${quoted(tls.ca)}`;
      report(
        level(
          `broker ${broker}`,
          `TLS fails: ${insecure}`,
          `correct ${section}.tls, or see openssl s_client -connect ${host}:${port}${ca} </dev/null`,
        ),
      );
    }
  }
  return works;
}

function tlsOptions({ ca, cert, key }: Connection['tls']) {
  try {
    return {
      ...(ca !== '' && { ca: readText(ca) }),
      ...(cert !== '' && { cert: readText(cert), key: readText(key) }),
    };
  } catch (error) {
    return error as Error;
  }
}

/** Clients connect to the advertised addresses, whatever addresses are configured. */
export async function examineAdvertisedAddresses(
  brokers: readonly { nodeId: number; host: string; port: number }[],
  report: Report,
): Promise<void> {
  for (const { nodeId, host, port } of brokers.slice(0, maxBrokers)) {
    const problem = await whyUnreachable({ host, port });
    if (problem !== undefined)
      report(
        wrong(
          `broker ${nodeId}`,
          `it sends clients to ${host}:${port}, which is not reachable from here: ${problem}`,
          'correct advertised.listeners of the broker, or the resolution of this name',
        ),
      );
  }
}
