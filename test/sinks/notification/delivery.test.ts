import { createDelivery } from '../../../src/sinks/notification/delivery';
import { RefusedError } from '../../../src/sinks/notification/endpoint';
import { createRecordedLog } from '../../runtime/recorded-log';
import { createCounts, createSimulatedTiming, settle } from './simulated';

function create(options: { maxQueued?: number } = {}) {
  const { timing, advance } = createSimulatedTiming();
  const { counted, counts } = createCounts();
  const log = createRecordedLog();
  const accepted: number[] = [];
  const attempts: number[] = [];
  let answer: (message: number) => Error | undefined = () => undefined;
  const delivery = createDelivery<number>({
    async send(message) {
      attempts.push(message);
      const error = answer(message);
      if (error !== undefined) throw error;
      await Promise.resolve();
      accepted.push(message);
    },
    maxQueued: options.maxQueued ?? 100,
    timing,
    counts,
    log,
  });
  return {
    delivery,
    advance,
    counted,
    accepted,
    attempts,
    log,
    answers: (next: typeof answer) => (answer = next),
  };
}

const away = () => new Error('answers with HTTP 500');
const hourMs = 3_600_000;

test('messages arrive in order, and the queue is empty', async () => {
  const { delivery, accepted, counted } = create();
  for (const message of [1, 2, 3]) delivery.add(message);
  await settle();
  expect(accepted).toEqual([1, 2, 3]);
  expect(counted).toEqual({ delivered: 3, dropped: 0, refused: 0, failed: 0, queued: 0 });
  await delivery.close(100);
});

test('a receiver that answers 500 for an hour is asked about once a minute, and then gets everything', async () => {
  const { delivery, advance, accepted, attempts, counted, answers } = create();
  answers(away);
  delivery.add(1);
  await advance(hourMs / 2);
  delivery.add(2);
  await advance(hourMs / 2);
  expect(accepted).toEqual([]);
  expect(counted).toMatchObject({ delivered: 0, dropped: 0, queued: 2 });
  // Back-off to a minute, less a random fifth.
  expect(attempts.length).toBeGreaterThan(60);
  expect(attempts.length).toBeLessThan(90);
  answers(() => undefined);
  await advance(60_000);
  expect(accepted).toEqual([1, 2]);
  expect(counted).toEqual({ delivered: 2, dropped: 0, refused: 0, failed: attempts.length - 2, queued: 0 });
  await delivery.close(100);
});

test('new messages do not shorten the pause after a failure', async () => {
  const { delivery, advance, attempts, answers } = create();
  answers(away);
  delivery.add(0);
  await advance(600_000);
  const before = attempts.length;
  for (let i = 1; i <= 50; i++) {
    delivery.add(i);
    await settle();
  }
  expect(attempts.length - before).toBeLessThanOrEqual(1);
  await delivery.close(100);
});

test('more messages than the queue holds drop those that waited longest, and each is counted', async () => {
  const { delivery, advance, accepted, counted, answers, log } = create({ maxQueued: 10 });
  answers(away);
  for (let i = 0; i < 25; i++) delivery.add(i);
  await settle();
  expect(counted).toMatchObject({ dropped: 15, queued: 10 });
  expect(log.entries.map(({ message }) => message)).toContain('notification dropped: the queue is full');
  answers(() => undefined);
  await advance(60_000);
  expect(accepted).toEqual(Array.from({ length: 10 }, (_, i) => 15 + i));
  expect(counted.delivered + counted.dropped).toBe(25);
  await delivery.close(100);
});

test('a message that is being sent is not the one that is dropped', async () => {
  const { delivery, advance, accepted, attempts, counted, answers } = create({ maxQueued: 2 });
  delivery.add(1);
  await Promise.resolve();
  for (const message of [2, 3, 4]) delivery.add(message);
  await advance(1_000);
  expect(new Set(accepted).size).toBe(accepted.length);
  expect(attempts).toEqual(accepted);
  expect(counted.delivered + counted.dropped).toBe(4);
  answers(() => undefined);
  await delivery.close(100);
});

test('a message that the receiver refuses is counted and does not delay the others', async () => {
  const { delivery, accepted, counted, answers, log } = create();
  answers((message) => (message === 1 ? new RefusedError('answers with HTTP 422') : undefined));
  delivery.add(1);
  delivery.add(2);
  await settle();
  expect(accepted).toEqual([2]);
  expect(counted).toMatchObject({ delivered: 1, refused: 1, queued: 0 });
  expect(log.entries).toMatchObject([{ level: 'error' }]);
  await delivery.close(100);
});

test('a stop sends what waits, and counts what the receiver does not take', async () => {
  const good = create();
  good.delivery.add(1);
  await good.delivery.close(1_000);
  expect(good.accepted).toEqual([1]);
  const bad = create();
  bad.answers(away);
  bad.delivery.add(1);
  bad.delivery.add(2);
  await bad.advance(5_000);
  await bad.delivery.close(1_000);
  expect(bad.counted).toMatchObject({ delivered: 0, dropped: 2, queued: 0 });
  bad.delivery.add(3);
  expect(bad.counted.queued).toBe(0);
});
