import { createRequire } from 'node:module';
import { abortedTransactionsPatch, maskAborted } from '../../../src/kafka/patches/aborted-transactions';
import { installedKafkajs } from '../../../src/kafka/patches/installed';
import { createRandom } from '../../../src/tensor';

const load = createRequire(__filename);
const { prototype } = load('kafkajs/src/broker') as { prototype: { fetch: unknown } };
const Batch = load('kafkajs/src/consumer/batch') as new (
  topic: string,
  offset: string,
  data: object,
) => { messages: { offset: string }[]; lastOffset(): string };

type Message = Parameters<typeof maskAborted>[0][number];
type Aborted = Parameters<typeof maskAborted>[1];

const markers = { abort: Buffer.from([0, 0, 0, 0]), commit: Buffer.from([0, 0, 0, 1]) };
const key = Buffer.from('pump');

/** A log: `p` is a record of producer p in a transaction, `P` one outside, `p!` and `p.` end its transaction. */
function logOf(text: string): { messages: Message[]; aborted: (Aborted[number] & { end: number })[] } {
  const begun = new Map<string, number>();
  const aborted: { producerId: string; firstOffset: string; end: number }[] = [];
  const messages = text.split(' ').map((entry, offset): Message => {
    const producerId = entry[0]!.toLowerCase();
    const inTransaction = entry[0] === producerId;
    const end = entry[1];
    if (end === undefined && inTransaction && !begun.has(producerId)) begun.set(producerId, offset);
    if (end !== undefined) {
      const first = begun.get(producerId);
      // As a broker: in the order in which they end.
      if (end === '!' && first !== undefined)
        aborted.push({ producerId, firstOffset: String(first), end: offset });
      begun.delete(producerId);
    }
    return {
      offset: String(offset),
      key: end === undefined ? key : end === '!' ? markers.abort : markers.commit,
      isControlRecord: end !== undefined,
      batchContext: { producerId, inTransaction },
    };
  });
  return { messages, aborted };
}

/** Offsets that kafkajs returns to a consumer which fetches from an offset. */
function read(text: string, from = 0): number[] {
  const { messages, aborted } = logOf(text);
  const within = messages.slice(from);
  const batch = new Batch('t', String(from), {
    partition: 0,
    highWatermark: String(messages.length),
    // A broker lists what ends after the first offset.
    messages: maskAborted(
      within,
      aborted.filter(({ end }) => end >= from),
    ),
    abortedTransactions: [],
  });
  expect(batch.lastOffset()).toBe(String(messages.length - 1));
  return batch.messages.map(({ offset }) => Number(offset));
}

test.each([
  ['one', 'a a a! a a.', [3]],
  ['none', 'a b B a. b.', [0, 1, 2]],
  ['two that overlap, the first begun ends last', 'a b b! a a! b b.', [5]],
  ['two that overlap, the first begun ends first', 'a b a! b b! a a.', [5]],
  ['overlapping a committed one', 'a b a. b b!', [0]],
  ['one after another of a producer', 'a a! a a! a a.', [4]],
  ['with a record outside a transaction', 'a b A b! a!', [2]],
])('aborted transactions: %s', (_, log, committed) => {
  expect(read(log)).toEqual(committed);
});

test('a fetch may begin within several aborted transactions', () => {
  expect(read('a b c d a b c a! b! c! d d.', 4)).toEqual([10]);
});

test('a record whose key is like a marker ends no transaction', () => {
  const { messages, aborted } = logOf('a a a!');
  const odd = messages.map((message, i) => (i === 0 ? { ...message, key: markers.abort } : message));
  expect(maskAborted(odd, aborted).map(({ isControlRecord }) => isControlRecord)).toEqual([true, true, true]);
});

test('records of older formats are all read', () => {
  const messages: Message[] = [{ offset: '0', key, isControlRecord: false }];
  expect(maskAborted(messages, [{ producerId: 'a', firstOffset: '0' }])).toEqual(messages);
});

test('of random logs exactly the committed records are read', () => {
  const random = createRandom(7);
  const below = (n: number) => Math.floor(random.uniform() * n);
  for (let run = 0; run < 300; run++) {
    const producers = ['a', 'b', 'c', 'd'];
    const entries = Array.from({ length: 40 }, () => {
      const producer = producers[below(4)]!;
      return below(4) === 0 ? producer + '!.'[below(2)]! : producer;
    });
    // A consumer reads up to the last stable offset: every transaction has ended.
    entries.push(...producers.map((producer) => `${producer}!`));
    const from = below(entries.length);
    const committed = entries.flatMap((entry, at) => {
      if (entry.length > 1 || at < from) return [];
      const end = entries.slice(at).find((later) => later[0] === entry && later.length > 1);
      return end === `${entry}.` ? [at] : [];
    });
    expect(read(entries.join(' '), from)).toEqual(committed);
  }
});

test('a second patch changes nothing', () => {
  expect(abortedTransactionsPatch.apply(installedKafkajs)).toBe(true);
  const { fetch } = prototype;
  expect(abortedTransactionsPatch.apply(installedKafkajs)).toBe(true);
  expect(prototype.fetch).toBe(fetch);
});
