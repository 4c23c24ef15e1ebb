/**
 * TLS and SASL as kafkajs wants them. Files are read at each connection, so that certificates and passwords can be exchanged
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
  /** File of the authorities that are trusted, PEM; empty = those that Node trusts. */
  ca: string;
  /** Files of our certificate and its key, PEM; empty = we have none. */
  cert: string;
  key: string;
}

export interface SaslSettings {
  mechanism: 'none' | 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer';
  username: string;
  password: string;
  /** Wins over the password. */
  passwordFile: string;
  oauth: OAuthSettings;
}

export interface KafkaSecurity {
  tls: TlsSettings;
  sasl: SaslSettings;
}

/** What kafkajs is to be told of it. */
export function securityOptions({ tls, sasl }: KafkaSecurity): Pick<KafkaConfig, 'socketFactory' | 'sasl'> {
  return {
    ...(tls.enabled && { socketFactory: createTlsSockets(tls) }),
    ...(sasl.mechanism !== 'none' && { sasl: saslOptions(sasl.mechanism, sasl) }),
  };
}

/** Whether a secret would go over the network for anyone to read. */
export function isExposed({ tls, sasl }: KafkaSecurity): boolean {
  return !tls.enabled && (sasl.mechanism === 'plain' || sasl.mechanism === 'oauthbearer');
}

/** As often as kafkajs itself has it, ms. */
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
    return { mechanism, oauthBearerProvider: async () => ({ value: await orGiveUp(token()) }) };
  }
  return {
    mechanism,
    username: sasl.username,
    // kafkajs asks for it whenever it authenticates.
    get password() {
      try {
        return readSecret(sasl.password, sasl.passwordFile);
      } catch (error) {
        throw giveUp(error);
      }
    },
  };
}

/** kafkajs would try again at once, and again; source and sink do so by themselves, with pauses. It hands on the text alone. */
function giveUp(cause: unknown): Error {
  const reasons = Array.from(causesOf(cause), ({ message }) => message);
  return new KafkaJSNonRetriableError(`no credentials for Kafka: ${reasons.join(': ')}`);
}

function orGiveUp<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((cause: unknown) => {
    throw giveUp(cause);
  });
}
