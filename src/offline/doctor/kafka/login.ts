/**
 * Checks whether the brokers answer this client: TLS as they expect it, and a certificate and credentials that they accept.
 */
import type { Admin } from 'kafkajs';
import { causesOf } from '../../../errors';
import { firstLineOf } from '../../../system/error-text';
import { ok, wrong, type Finding } from '../finding';
import { addressOf, whyUnreachable } from '../reach';
import type { Report } from './cluster';
import type { Connection, Duties } from './duties';

type Brokers = Awaited<ReturnType<Admin['describeCluster']>>['brokers'];

/** Connects. Returns the brokers of the cluster, with the addresses that they advertise; undefined if they do not answer. */
export async function examineLogin(
  duties: Duties,
  admin: Admin,
  report: Report,
): Promise<Brokers | undefined> {
  const { brokers, tls, sasl } = duties.connection;
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    const how = [
      tls.enabled ? 'TLS' : 'no TLS',
      sasl.mechanism === 'none' ? 'no SASL' : sasl.mechanism.toUpperCase(),
    ];
    report(
      ok(`brokers ${brokers.join(', ')}`, `${cluster.brokers.length} in the cluster (${how.join(', ')})`),
    );
    return cluster.brokers;
  } catch (error) {
    report(await describeRefusal(error, duties));
    return undefined;
  }
}

async function describeRefusal(error: unknown, { connection, section }: Duties): Promise<Finding> {
  const { brokers, sasl, tls } = connection;
  const subject = `brokers ${brokers.join(', ')}`;
  const causes = [...causesOf(error)];
  const reason = firstLineOf(causes.at(-1) ?? error);
  if (causes.some(({ name }) => name === 'KafkaJSSASLAuthenticationError') || /no credentials/.test(reason))
    return wrong(
      subject,
      `the credentials are not accepted (${sasl.mechanism}): ${reason}`,
      credentialsAdvice(section, sasl.mechanism),
    );
  if (!tls.enabled && (await expectsTls(brokers[0]!)))
    return wrong(subject, 'they expect TLS, which is not enabled', `set ${section}.tls.enabled to true`);
  if (tls.enabled && /certificate/.test(reason))
    return wrong(
      subject,
      `they do not accept the client certificate, or there is none: ${reason}`,
      `set ${section}.tls.cert and ${section}.tls.key`,
    );
  return wrong(
    subject,
    `they accept connections, but do not answer: ${reason}`,
    sasl.mechanism === 'none' ? `if they require authentication, set ${section}.sasl` : undefined,
  );
}

async function expectsTls(broker: string): Promise<boolean> {
  return (await whyUnreachable(addressOf(broker), { rejectUnauthorized: false })) === undefined;
}

function credentialsAdvice(section: Duties['section'], mechanism: Connection['sasl']['mechanism']): string {
  if (mechanism === 'oauthbearer') return `correct ${section}.sasl.oauth`;
  const variable =
    section === 'source.kafka' ? 'VAEMON_KAFKA_SASL_PASSWORD' : 'VAEMON_SINKS_KAFKA_SASL_PASSWORD';
  return `correct ${section}.sasl.username, and ${variable} or ${section}.sasl.passwordFile`;
}
