/** Reads the labels of a detector's records from a file, a topic, or both, as configured. */
import { stat } from 'node:fs/promises';
import { sourceOf, type DaemonSettings, type DetectorSettings } from '../config/settings';
import type { Label } from '../domain/label';
import type { KafkaLog } from '../kafka/client';
import type { Logger } from '../logger';
import { createTopicLabels, readLabelFile } from '../sources/labels';
import { createAttempts } from '../system/attempts';
import { createLabelWriter } from './label-writer';
import { Poll } from './poll';

/**
 * @returns a function that reads all labels, those of the topic after those of the file; later calls read only the changes. It
 * rejects with an error that names the file and the line of an invalid label. Invalid messages of a topic are logged
 */
export function createLabelReader(
  settings: DetectorSettings,
  log: KafkaLog,
  purpose?: 'train',
): () => Promise<readonly Label[]> {
  const { detector, fields, training } = settings;
  const { file, topic } = training.labels;
  let ofTopic: ReturnType<typeof createTopicLabels> | undefined;
  let ofFile: readonly Label[] = [];
  let fileState = '';
  let latest: readonly Label[] = [];

  async function openTopic(): Promise<ReturnType<typeof createTopicLabels>> {
    // Loaded only for a detector that needs the Kafka client.
    const { createKafkaClient } = await import('../kafka/client');
    const { kafka } = sourceOf(settings, 'kafka');
    return createTopicLabels({
      kafka: createKafkaClient({ ...kafka, ...(purpose && { purpose }), log }),
      settings: { topic, groupId: kafka.groupId },
      times: fields,
      onBadLabel: (origin, reason) =>
        log.warn('message is not a valid label; it is ignored', { detector, ...origin, reason }),
      onUnread: () => log.warn('labels could not be read to their end', { detector, topic }),
    });
  }

  /** Reads the file if it has changed. Returns whether it was read. */
  async function readFile(): Promise<boolean> {
    if (file === '') return false;
    // If the file does not exist, reading it below yields an error with its name.
    const found = await stat(file).catch(() => undefined);
    const state = `${found?.ino} ${found?.size} ${found?.mtimeMs}`;
    if (found !== undefined && state === fileState) return false;
    ofFile = await readLabelFile(file, fields);
    fileState = state;
    return true;
  }

  return async () => {
    const isNew = await readFile();
    if (topic !== '') ofTopic ??= await openTopic();
    const fromTopic = (await ofTopic?.read()) ?? [];
    const all = [...ofFile, ...fromTopic];
    if (isNew || !isSame(all, latest)) latest = all;
    return latest;
  };
}

function isSame(some: readonly Label[], others: readonly Label[]): boolean {
  return some.length === others.length && some.every((label, i) => label === others[i]);
}

export interface LabelWatch {
  /** The labels that were read last. */
  current(): readonly Label[];
  /** Reads the labels now. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

const noLabels: readonly Label[] = [];

export type Labels = Awaited<ReturnType<typeof openLabels>>;

/** The labels of a running detector, and the writer for new ones. */
export async function openLabels(
  settings: DetectorSettings,
  { api, store }: Pick<DaemonSettings, 'api' | 'store'>,
  log: Logger,
) {
  // The writer comes first, because it creates a missing file.
  const writer = api.tokenFile === '' ? undefined : await createLabelWriter(settings, log);
  const watch = watchLabels(settings, store.pollIntervalMs, log);
  return {
    /** Undefined if no labels can be written. */
    writer,
    current: (): readonly Label[] => watch?.current() ?? noLabels,
    refresh: async (): Promise<void> => watch?.refresh(),
    stop: async (): Promise<void> => watch?.stop(),
  };
}

/**
 * Reads the labels at an interval, ms. A problem is logged once, and the earlier labels stay.
 * @returns undefined if no labels are configured
 */
export function watchLabels(
  settings: DetectorSettings,
  intervalMs: number,
  log: Logger,
): LabelWatch | undefined {
  const { file, topic } = settings.training.labels;
  if (file === '' && topic === '') return undefined;
  const read = createLabelReader(settings, log);
  let labels: readonly Label[] = [];
  const attempt = createAttempts((err) =>
    log.error('labels could not be read; those read before are in use', { err }),
  );
  const poll = new Poll(intervalMs, () =>
    attempt(async () => {
      const before = labels;
      labels = await read();
      if (labels !== before) log.info('labels were read', { labels: labels.length });
    }),
  );
  return { current: () => labels, refresh: () => poll.run(), stop: () => poll.stop() };
}
