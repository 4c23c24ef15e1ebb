/**
 * The one way to a kafkajs client: its timer mended, records read faster, every codec known, no offset committed but ours, its
 * log lines ours, its retries short.
 */
import { Kafka, logLevel } from 'kafkajs';
import type { LogEntry } from 'kafkajs';
import { registerCodecs } from './compression';
import { isExposed, securityOptions, type KafkaSecurity } from './security';
import { patchOutOfRange } from './patches/out-of-range';
import { patchRecordBatches } from './patches/record-batch';
import { patchRequestQueue } from './patches/request-queue';
import { patchStableOffsets } from './patches/stable-offsets';

/** Takes the client's lines; a logger is one. */
export type KafkaLog = Readonly<
  Record<'warn' | 'info' | 'debug', (message: string, fields: Record<string, unknown>) => void>
>;

patchRequestQueue();
patchRecordBatches();
registerCodecs();
patchStableOffsets();
patchOutOfRange();

/** What our own lines have already, or do not want. */
const ownFields: readonly string[] = ['timestamp', 'logger', 'message', 'stack'];

/**
 * kafkajs calls every failed attempt an error, and its everyday life info. What vaemon must act on arrives as an
 * error at the source or the sink, so a line of the client is one level lower here.
 */
function levelOf(level: logLevel): keyof KafkaLog {
  if (level === logLevel.ERROR) return 'warn';
  return level === logLevel.WARN ? 'info' : 'debug';
}

/** How long a line is not repeated, ms; a broker that is away would fill the log with the same few. */
const quietMs = 60_000;
/** Lines that are remembered. */
const maxLines = 100;

/** Hands lines on, at debug those that came at the same level a short while ago. */
function withoutRepetition(log: KafkaLog, now = Date.now): KafkaLog {
  const saidAt = new Map<string, number>();
  const say =
    (level: 'warn' | 'info'): KafkaLog['warn'] =>
    (message, fields) => {
      const line = JSON.stringify([level, message, fields['part'], fields['detail'], fields['broker']]);
      const isNew = now() - (saidAt.get(line) ?? -Infinity) >= quietMs;
      if (isNew) {
        if (saidAt.size >= maxLines) saidAt.clear();
        saidAt.set(line, now());
      }
      log[isNew ? level : 'debug'](message, fields);
    };
  return { warn: say('warn'), info: say('info'), debug: (message, fields) => log.debug(message, fields) };
}

/** Where a cluster is, and what it wants of who connects. */
export interface KafkaConnection extends Partial<KafkaSecurity> {
  brokers: readonly string[];
}

/** Client of one Kafka cluster; connects nothing by itself. `log` gets every line kafkajs writes. */
export function createKafkaClient(options: KafkaConnection & { clientId: string; log: KafkaLog }): Kafka {
  const { brokers, tls, sasl, clientId } = options;
  const log = withoutRepetition(options.log);
  const security = tls && sasl && { tls, sasl };
  if (security !== undefined && isExposed(security))
    log.warn('credentials go to Kafka unencrypted: tls is not enabled', { brokers });
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(security && securityOptions(security)),
    connectionTimeout: 3_000,
    // Source and sink come again by themselves, for ever; long retries in here would only hold up a stop.
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 },
    logLevel: logLevel.INFO,
    logCreator:
      () =>
      ({ namespace, level, log: entry }: LogEntry) => {
        const fields = Object.entries(entry).filter(([name]) => !ownFields.includes(name));
        log[levelOf(level)]('kafka client', {
          part: namespace,
          detail: entry.message,
          ...Object.fromEntries(fields),
        });
      },
  });
}
