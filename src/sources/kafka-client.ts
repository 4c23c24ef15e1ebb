/** The one way to a kafkajs client: its timer mended, its log lines ours, its retries short. */
import { Kafka, logLevel } from 'kafkajs';
import type { LogEntry } from 'kafkajs';
import { patchRequestQueue } from './kafkajs-request-queue';
import { patchStableOffsets } from './kafkajs-stable-offsets';

/** Takes the client's lines; a logger is one. */
export type KafkaLog = Readonly<
  Record<'warn' | 'info' | 'debug', (message: string, fields: Record<string, unknown>) => void>
>;

patchRequestQueue();
patchStableOffsets();

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

/** Client of one Kafka cluster; connects nothing by itself. `log` gets every line kafkajs writes. */
export function createKafkaClient(options: {
  brokers: readonly string[];
  clientId: string;
  log: KafkaLog;
}): Kafka {
  const { brokers, clientId, log } = options;
  return new Kafka({
    brokers: [...brokers],
    clientId,
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
