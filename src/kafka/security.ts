/**
 * TLS and SASL options of kafkajs. Files are read at each connection, so that certificates and passwords can be replaced
 * while the daemon runs.
 */
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { KafkaJSNonRetriableError } from 'kafkajs';
import type { ISocketFactory, KafkaConfig, SASLOptions } from 'kafkajs';
import { causesOf } from '../errors';
import type { KafkaConnectionSettings } from './connection-settings';
import { createTokenSource } from './oauth-token';
import { readSecret, readText } from '../system/secret';

export type KafkaSecurity = Pick<KafkaConnectionSettings, 'tls' | 'sasl'>;
type SaslSettings = KafkaSecurity['sasl'];

/** Converts the settings to options of kafkajs. */
export function securityOptions({ tls, sasl }: KafkaSecurity): Pick<KafkaConfig, 'socketFactory' | 'sasl'> {
  return {
    ...(tls.enabled && { socketFactory: createTlsSockets(tls) }),
    ...(sasl.mechanism !== 'none' && { sasl: saslOptions(sasl.mechanism, sasl) }),
  };
}

/** Whether a secret would be sent unencrypted. */
export function isExposed({ tls, sasl }: KafkaSecurity): boolean {
  return !tls.enabled && (sasl.mechanism === 'plain' || sasl.mechanism === 'oauthbearer');
}

/** The same interval as in kafkajs, ms. */
const keepAliveMs = 60_000;

function createTlsSockets({ ca, cert, key }: KafkaSecurity['tls']): ISocketFactory {
  return ({ host, port, onConnect }) => {
    const socket = connectTls(
      {
        host,
        port,
        ...(isIP(host) === 0 && { servername: host }),
        ...(ca !== '' && { ca: readText(ca) }),
        ...(cert !== '' && { cert: readText(cert), key: readText(key) }),
      },
      onConnect,
    );
    socket.setKeepAlive(true, keepAliveMs);
    return socket;
  };
}

function saslOptions(mechanism: Exclude<SaslSettings['mechanism'], 'none'>, sasl: SaslSettings): SASLOptions {
  if (mechanism === 'oauthbearer') {
    const token = createTokenSource(sasl.oauth);
    const value = () => token().catch(throwCredentialsError);
    return { mechanism, oauthBearerProvider: async () => ({ value: await value() }) };
  }
  return {
    mechanism,
    username: sasl.username,
    // A getter, as kafkajs reads the password whenever it authenticates.
    get password() {
      try {
        return readSecret(sasl.password, sasl.passwordFile);
      } catch (error) {
        return throwCredentialsError(error);
      }
    },
  };
}

/**
 * The error is not retriable, since kafkajs would retry at once; source and sink retry with pauses. kafkajs keeps only the
 * message, so it contains all causes.
 */
function throwCredentialsError(cause: unknown): never {
  const reasons = Array.from(causesOf(cause), ({ message }) => message);
  throw new KafkaJSNonRetriableError(`no credentials for Kafka: ${reasons.join(': ')}`);
}
