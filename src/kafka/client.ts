/** Creates kafkajs clients: patched, with every codec, the daemon's log and short retries. */
import { Kafka, logLevel } from 'kafkajs';
import type { LogEntry } from 'kafkajs';
import { registerCodecs } from './compression';
import { applyPatches } from './patches/patches';
import { isExposed, securityOptions, type KafkaSecurity } from './security';

applyPatches();
registerCodecs();

/** The methods of a logger that the client uses. */
export type KafkaLog = Readonly<
  Record<'warn' | 'info' | 'debug', (message: string, fields: Record<string, unknown>) => void>
>;

/** Fields of kafkajs that the daemon's log lines already have or leave out. */
const ownFields: readonly string[] = ['timestamp', 'logger', 'message', 'stack'];

/**
 * The level of a kafkajs line, lowered: kafkajs logs each failed attempt as an error, and routine as info. The error after the
 * last attempt reaches the source or the sink, which log it with the topic and the cause.
 */
function levelOf(level: logLevel): 'info' | 'debug' {
  return level === logLevel.ERROR ? 'info' : 'debug';
}

/** Time within which a repeated line is logged at debug level, ms: an unreachable broker repeats the same few lines. */
const quietMs = 60_000;
/** Maximum number of distinct lines that are stored to recognise repetitions. */
const maxLines = 100;

/** Logs the lines of kafkajs, with repetitions at debug level. */
function createLineLog(log: KafkaLog): (entry: LogEntry) => void {
  const loggedAt = new Map<string, number>();
  return ({ namespace, level: given, log: entry }) => {
    const level = levelOf(given);
    const line = JSON.stringify([level, namespace, entry.message, entry['broker']]);
    const isRepeated = Date.now() - (loggedAt.get(line) ?? -Infinity) < quietMs;
    if (level !== 'debug' && !isRepeated) {
      if (loggedAt.size >= maxLines) loggedAt.clear();
      loggedAt.set(line, Date.now());
    }
    const fields = Object.entries(entry).filter(([name]) => !ownFields.includes(name));
    log[isRepeated ? 'debug' : level]('kafka client', {
      part: namespace,
      detail: entry.message,
      ...Object.fromEntries(fields),
    });
  };
}

/** Addresses of a cluster, and the settings of the connection. */
export interface KafkaConnection extends Partial<KafkaSecurity> {
  brokers: readonly string[];
}

export interface KafkaClientOptions extends KafkaConnection {
  clientId: string;
  /** Purpose of a client outside of the daemon; brokers see it as the suffix of the client id. */
  purpose?: 'train' | 'replay' | 'labels';
  /** Receives every line of kafkajs. */
  log: KafkaLog;
}

/** Client of one Kafka cluster; it connects on use. */
export function createKafkaClient(options: KafkaClientOptions): Kafka {
  const { brokers, tls, sasl, clientId, purpose, log } = options;
  const security = tls && sasl && { tls, sasl };
  if (security !== undefined && isExposed(security))
    log.warn('credentials are sent to Kafka unencrypted: tls is not enabled', { brokers });
  return new Kafka({
    brokers: [...brokers],
    clientId: purpose === undefined ? clientId : `${clientId}-${purpose}`,
    ...(security && securityOptions(security)),
    connectionTimeout: 3_000,
    // Source and sink retry without end; long retries in kafkajs would only delay a stop.
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 },
    logLevel: logLevel.INFO,
    logCreator: () => createLineLog(log),
  });
}
