/**
 * Patch of kafkajs 2.2.4: records of aborted transactions are never read.
 *
 * Upstream: no issue. Why: kafkajs begins to leave out the records of at most one aborted transaction with each record, and
 * expects the list of them in the order of their first records. Brokers list them in the order in which they ended. Where the
 * transactions of several producers in one partition overlap and two of them are aborted, kafkajs therefore returns records
 * that were never committed. This patch leaves them out as the Java client does (KIP-98, "aborted transactions"): the records
 * keep their places in the response, as control records, which kafkajs skips. Delete when: kafkajs sorts the list, and begins
 * all transactions of it that begin at or before a record.
 */
import type { Patch } from './patch';

interface Fetched {
  offset: string;
  key: Buffer | null;
  isControlRecord: boolean;
  /** Absent in the formats before Kafka 0.11, which have no transactions. */
  batchContext?: { producerId: string; inTransaction: boolean };
}

interface AbortedTransaction {
  producerId: string;
  firstOffset: string;
}

interface FetchedPartition {
  messages: readonly Fetched[];
  /** Absent before version 4 of the request; null where a broker has none. */
  abortedTransactions?: readonly AbortedTransaction[] | null;
}

interface FetchResponse {
  responses: readonly { partitions: FetchedPartition[] }[];
}

type Fetch = (this: object, request: object) => Promise<FetchResponse>;

/** Key of a control record: version and type, 16 bits each. */
const abortMarker = Buffer.from([0, 0, 0, 0]);

/** The messages of a partition; those of aborted transactions as control records. */
export function maskAborted(
  messages: readonly Fetched[],
  aborted: readonly AbortedTransaction[],
): readonly Fetched[] {
  const begun = new Set<string>();
  const later = aborted
    .map(({ producerId, firstOffset }) => ({ producerId, first: BigInt(firstOffset) }))
    .sort((a, b) => (a.first < b.first ? 1 : -1));
  return messages.map((message) => {
    const { batchContext, isControlRecord, key } = message;
    const offset = BigInt(message.offset);
    while (later.length > 0 && later.at(-1)!.first <= offset) begun.add(later.pop()!.producerId);
    if (batchContext === undefined || !begun.has(batchContext.producerId)) return message;
    if (isControlRecord) {
      if (key?.equals(abortMarker)) begun.delete(batchContext.producerId);
      return message;
    }
    // Fields of a message may be getters, so it is not spread.
    return batchContext.inTransaction
      ? (Object.create(message, { isControlRecord: { value: true } }) as Fetched)
      : message;
  });
}

function withMasked(response: FetchResponse): FetchResponse {
  for (const { partitions } of response.responses) {
    for (const partition of partitions) {
      const { messages, abortedTransactions } = partition;
      if (abortedTransactions == null || abortedTransactions.length === 0) continue;
      partition.messages = maskAborted(messages, abortedTransactions);
      partition.abortedTransactions = [];
    }
  }
  return response;
}

/** Methods installed by this patch. */
const patched = new WeakSet<object>();

export const abortedTransactionsPatch: Patch = {
  name: 'aborted-transactions',
  neededFor: 'safety',
  without: 'records of aborted transactions may be read as if they were committed',
  apply(kafkajs) {
    const { prototype } = kafkajs.load('broker') as { prototype?: { fetch?: Fetch } };
    const original = prototype?.fetch;
    if (prototype === undefined || typeof original !== 'function') return false;
    if (patched.has(original)) return true;
    if (!['isolationLevel', 'requests.Fetch'].every((mention) => original.toString().includes(mention)))
      return false;
    const fetch: Fetch = async function (this: object, request) {
      return withMasked(await original.call(this, request));
    };
    patched.add(fetch);
    prototype.fetch = fetch;
    return true;
  },
};
