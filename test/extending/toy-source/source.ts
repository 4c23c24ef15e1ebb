/** A toy source in one folder: a wave with one wild value, in the lines of the toy codec. */
import { whole } from '../../../src/schema/formats';
import type { Parsed } from '../../../src/schema/key';
import type { Message } from '../../../src/sources/source';
import type { SourceSpec } from '../../../src/sources/spec';

const section = {
  records: whole({ doc: 'Number of records.', default: 1000 }),
  history: whole({ doc: 'Number of records at the beginning that are trained on.', default: 800 }),
  wildRecord: whole({ doc: 'Record with a wild value.', default: 900 }, { min: 0 }),
};

type ToySettings = Parsed<typeof section>;

const topic = 'toy';

function messageAt(index: number, { wildRecord }: ToySettings): Message {
  const timestamp = Date.UTC(2026, 0, 1) + 1000 * index;
  const flow = index === wildRecord ? 50 : Math.sin(index / 3);
  return {
    key: Buffer.from('pump'),
    value: Buffer.from(`${timestamp} ${flow} ${Math.cos(index / 3)}`),
    timestamp,
    origin: { topic, partition: 0, offset: String(index) },
    warmUp: false,
  };
}

const messagesOf = (from: number, to: number, settings: ToySettings): Message[] =>
  Array.from({ length: to - from }, (_, i) => messageAt(from + i, settings));

export const toySource: SourceSpec<typeof section> = {
  doc: 'a wave with one wild value.',
  section,
  rules: [
    {
      keys: ['history', 'records'],
      problem: ({ history, records }) =>
        history < records ? undefined : `must be below source.toy.records (got ${history}, ${records})`,
    },
  ],
  bounded: true,
  topic: () => topic,
  create: (settings, { onPassEnd }) =>
    Promise.resolve({
      ready: () => ({ ready: true, reason: '' }),
      position: () => settings.history,
      async run(handle) {
        const messages = messagesOf(settings.history, settings.records, settings);
        await handle({ topic, partition: 0, messages, lag: 0 });
        await onPassEnd(1);
      },
      stop: () => Promise.resolve(),
    }),
  createHistory: (settings, { records = settings.history }) =>
    // eslint-disable-next-line @typescript-eslint/require-await -- a history is read asynchronously
    Promise.resolve(async function* readHistory() {
      yield messagesOf(0, records, settings);
    }),
};
