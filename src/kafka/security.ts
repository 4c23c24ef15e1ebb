/**
 * TLS and SASL options of kafkajs. Files are read at each connection, so that certificates and passwords can be replaced
 * while the daemon runs.
 */
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { KafkaJSNonRetriableError } from 'kafkajs';
import type { ISocketFactory, KafkaConfig, SASLOptions } from 'kafkajs';
import { causesOf } from '../errors';
import { createTokenSource, type OAuthSettings } from './oauth-token';
import { readSecret, readText } from '../system/secret';

export interface TlsSettings {
  enabled: boolean;
  /** File of trusted authorities, PEM; empty = those that Node trusts. */
  ca: string;
  /** Files of the client certificate and its key, PEM; empty = none. */
  cert: string;
  key: string;
}

export interface SaslSettings {
  mechanism: 'none' | 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer';
  username: string;
  password: string;
  /** Takes precedence over the password. */
  passwordFile: string;
  oauth: OAuthSettings;
}

export interface KafkaSecurity {
  tls: TlsSettings;
  sasl: SaslSettings;
}

/** The settings as options of kafkajs. */
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

/** The same as in kafkajs, ms. */
const keepAliveMs = 60_000;

function createTlsSockets({ ca, cert, key }: TlsSettings): ISocketFactory {
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
    return { mechanism, oauthBearerProvider: async () => ({ value: await withCredentialsError(token()) }) };
  }
  return {
    mechanism,
    username: sasl.username,
    // kafkajs asks for it whenever it authenticates.
    get password() {
      try {
        return readSecret(sasl.password, sasl.passwordFile);
      } catch (error) {
        throw credentialsError(error);
      }
    },
  };
}

/**
 * Not retriable, since kafkajs would retry at once; source and sink retry with pauses. kafkajs keeps only the message, so it
 * contains all causes.
 */
function credentialsError(cause: unknown): Error {
  const reasons = Array.from(causesOf(cause), ({ message }) => message);
  return new KafkaJSNonRetriableError(`no credentials for Kafka: ${reasons.join(': ')}`);
}

function withCredentialsError<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((cause: unknown) => {
    throw credentialsError(cause);
  });
}
