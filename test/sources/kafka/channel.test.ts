import { Channel } from '../../../src/sources/kafka/channel';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

test('items arrive in order, and each sender waits until its item is used', async () => {
  const channel = new Channel<number>();
  const used: number[] = [];
  void (async () => {
    for (const item of [1, 2, 3]) if (await channel.send(item)) used.push(item);
    channel.end();
  })();
  expect(await collect(channel.received(60_000))).toEqual([1, 2, 3]);
  expect(used).toEqual([1, 2, 3]);
});

test('the iteration ends after the idle timeout, and later items are refused', async () => {
  const channel = new Channel<number>();
  expect(await collect(channel.received(5))).toEqual([]);
  expect(await channel.send(1)).toBe(false);
});

test('a failure is thrown after the items that were sent before it', async () => {
  const channel = new Channel<number>();
  const sent = channel.send(1);
  channel.fail(new Error('broker lost'));
  const items = channel.received(60_000);
  expect((await items.next()).value).toBe(1);
  await expect(items.next()).rejects.toThrow('broker lost');
  expect(await sent).toBe(true);
});

test('a sender is released if the reader stops early', async () => {
  const channel = new Channel<number>();
  const sent = [channel.send(1), channel.send(2)];
  for await (const item of channel.received(60_000)) {
    expect(item).toBe(1);
    break;
  }
  expect(await Promise.all(sent)).toEqual([false, false]);
});
