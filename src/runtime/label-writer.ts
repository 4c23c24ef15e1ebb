/** Writes labels for events to the place from which labels are read: the topic or, without one, the file. */
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sourceOf, type DetectorSettings } from '../config/settings';
import type { Logger } from '../logger';
import { readCsvFormat } from '../sources/file/csv';
import { appendWhole, writeAtomically } from '../system/atomic-write';
import { makeFolder, unlessMissing } from '../system/file-system';

export interface WrittenLabel {
  /** Id of the labelled event. */
  id: string;
  /** Its devices. */
  keys: readonly string[];
  /** Event time, Unix ms. */
  start: number;
  end: number;
  label: string;
  note: string;
}

export interface LabelWriter {
  /** @throws Error if the label could not be stored durably */
  write(label: WrittenLabel): Promise<void>;
}

const columns = ['start', 'end', 'key', 'label', 'note'];

/** @returns undefined if neither a file nor a topic for labels is configured */
export async function createLabelWriter(
  settings: DetectorSettings,
  log: Logger,
): Promise<LabelWriter | undefined> {
  const { file, topic } = settings.training.labels;
  if (topic !== '') return createTopicWriter(settings, log);
  if (file === '') return undefined;
  // Creates the file, as a training rejects a configured file that does not exist.
  try {
    if ((await unlessMissing(stat(file))) === undefined) {
      await makeFolder(dirname(file));
      await writeAtomically(file, `${columns.join(',')}\n`);
    }
  } catch (err) {
    log.error('the file of labels cannot be created', { file, err });
  }
  return createFileWriter(file);
}

function createFileWriter(path: string): LabelWriter {
  return {
    async write({ keys, start, end, label, note }) {
      const format = await readCsvFormat(path);
      const lacking = columns.slice(0, -1).filter((name) => !format.columns.includes(name));
      if (lacking.length > 0) throw new Error(`${path} has no column ${lacking.join(', ')}`);
      const rows = keys.map((key) => {
        const values: Readonly<Record<string, string>> = {
          start: new Date(start).toISOString(),
          end: new Date(end).toISOString(),
          key,
          label,
          note: note.replace(/\s+/g, ' '),
        };
        return format.columns
          .map((name) => quoted(values[name] ?? '', format.separator))
          .join(format.separator);
      });
      await appendWhole(path, `${(await endsLine(path)) ? '' : '\n'}${rows.join('\n')}\n`);
    },
  };
}

function quoted(text: string, separator: string): string {
  const isPlain =
    !text.startsWith('#') &&
    !['"', '\n', '\r', separator].some((mark) => text.includes(mark)) &&
    text.trim() === text;
  return isPlain ? text : `"${text.replaceAll('"', '""')}"`;
}

async function endsLine(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(1);
    await file.read(last, 0, 1, Math.max(0, size - 1));
    return size === 0 || last.toString() === '\n';
  } finally {
    await file.close();
  }
}

function createTopicWriter(settings: DetectorSettings, log: Logger): LabelWriter {
  const { topic } = settings.training.labels;
  return {
    async write({ id, keys, start, end, label, note }) {
      const [{ createKafkaClient }, { createProducer }, { Partitioning, sendToPartition }] =
        await Promise.all([
          import('../kafka/client'),
          import('../sinks/kafka/producer'),
          import('../sinks/kafka/partitioning'),
        ]);
      const partitioning = new Partitioning();
      const producer = createProducer(
        createKafkaClient({ ...sourceOf(settings, 'kafka').kafka, purpose: 'labels', log }),
        partitioning,
      );
      await producer.connect();
      try {
        const range = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
        // The key of the message makes a later label of the event replace this one.
        const messages = keys.map((key) => ({
          topic,
          message: { key: `${id}/${key}`, value: JSON.stringify({ ...range, key, label, note }) },
        }));
        for (const round of partitioning.rounds(messages))
          for (const group of round)
            await sendToPartition(producer, {
              acks: -1,
              topicMessages: [{ topic, messages: group.map(({ message }) => message) }],
            });
      } finally {
        await producer.disconnect();
      }
    },
  };
}
