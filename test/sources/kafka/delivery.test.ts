import { FencedError } from '../../../src/errors';
import { createDelivery, type AssignedPartition } from '../../../src/sources/kafka/delivery';
import type { Batch } from '../../../src/sources/source';
import { messageAt } from './fake-kafka';

const assignedPartition = (liveFrom: bigint): AssignedPartition => ({
  partition: 2,
  assignment: { from: 0n, liveFrom, after: undefined, processedBefore: true },
  next: 0n,
  accepted: false,
});

function createTest(answers: (Error | undefined | 'never')[] = []) {
  const batches: Batch[] = [];
  const errors: string[] = [];
  const fenced: unknown[] = [];
  const stopping = new AbortController();
  const abandonment = new AbortController();
  const deliver = createDelivery({
    settings: { topic: 'sensors' },
    observer: { error: ({ message }) => void errors.push(message) },
    handle(batch) {
      batches.push(batch);
      const answer = answers.shift();
      if (answer === 'never') return new Promise(() => undefined);
      return answer === undefined ? Promise.resolve() : Promise.reject(answer);
    },
    confirmed: () => 17n,
    maxBackOffMs: 1,
    signal: stopping.signal,
    abandoned: abandonment.signal,
    onFenced: (cause) => fenced.push(cause),
  });
  const partition = assignedPartition(4n);
  const chunk = (from: number, to: number) => ({
    partition,
    messages: Array.from({ length: to - from }, (_, i) => messageAt(from + i)),
    next: BigInt(to),
    lag: 3,
    gap: false,
  });
  let checks = 0;
  const membership = { isLost: () => false, check: () => Promise.resolve(void (checks += 1)) };
  return { deliver, chunk, membership, batches, errors, fenced, stopping, abandonment, checks: () => checks };
}

test('messages before the first live one are warm-up and acknowledge nothing', async () => {
  const { deliver, chunk, membership, batches } = createTest();
  expect(await deliver(chunk(2, 4), membership)).toBe(true);
  expect(await deliver(chunk(4, 6), membership)).toBe(true);
  expect(batches.map(({ messages, next }) => [messages.map(({ warmUp }) => warmUp), next])).toEqual([
    [[true, true], undefined],
    [[false, false], 6n],
  ]);
  expect(batches[0]).toMatchObject({ topic: 'sensors', partition: 2, lag: 3, committed: 17n, gap: false });
});

test('the assignment comes with each batch until one is accepted', async () => {
  const { deliver, chunk, membership, batches } = createTest([new Error('registry down')]);
  await deliver(chunk(4, 6), membership);
  await deliver(chunk(6, 8), membership);
  expect(batches.map(({ assignment }) => assignment?.liveFrom)).toEqual([4n, 4n, undefined]);
});

test('a rejected chunk is delivered again until it is accepted', async () => {
  const { deliver, chunk, membership, errors, batches, checks } = createTest([
    new Error('one'),
    new Error('two'),
  ]);
  expect(await deliver(chunk(4, 6), membership)).toBe(true);
  expect(errors).toEqual(['one', 'two']);
  expect(batches).toHaveLength(3);
  expect(checks()).toBe(3);
});

test('a process that has lost its membership delivers nothing, at the first attempt or a later one', async () => {
  const { deliver, chunk, membership, batches, checks } = createTest([new Error('timeout')]);
  let left = 1;
  const lostAfter = {
    isLost: () => left < 0,
    check: async () => {
      await membership.check();
      left--;
    },
  };
  expect(await deliver(chunk(4, 6), lostAfter)).toBe(false);
  expect(checks()).toBe(2);
  expect(batches).toHaveLength(1);
  expect(await deliver(chunk(4, 6), lostAfter)).toBe(false);
  expect(batches).toHaveLength(1);
});

test('a fenced chunk is not delivered again', async () => {
  const cause = new Error('sink failed', { cause: new FencedError('epoch') });
  const { deliver, chunk, membership, fenced, batches } = createTest([cause]);
  expect(await deliver(chunk(4, 6), membership)).toBe(false);
  expect(fenced).toEqual([cause]);
  expect(batches).toHaveLength(1);
});

test('a stop ends the attempts', async () => {
  const { deliver, chunk, membership, stopping, batches } = createTest([
    new Error('down'),
    new Error('down'),
  ]);
  const delivered = deliver(chunk(4, 6), membership);
  stopping.abort();
  expect(await delivered).toBe(false);
  expect(batches).toHaveLength(1);
});

test('an attempt that does not end is abandoned', async () => {
  const { deliver, chunk, membership, abandonment } = createTest(['never']);
  const delivered = deliver(chunk(4, 6), membership);
  abandonment.abort();
  expect(await delivered).toBe(false);
});
