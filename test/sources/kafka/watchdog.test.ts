import { Watchdog } from '../../../src/sources/kafka/watchdog';

function createClocked() {
  let now = 1_000_000;
  const watchdog = new Watchdog(100, 500, () => now);
  return { watchdog, wait: (ms: number) => (now += ms) };
}
const offsets = (...next: number[]) => new Map(next.map((offset, partition) => [partition, BigInt(offset)]));

describe('a consumer that fetches nothing', () => {
  test('is silent when more than the timeout has passed since the last answer', () => {
    const { watchdog, wait } = createClocked();
    watchdog.reading(offsets(0));
    wait(100);
    expect(watchdog.isSilent()).toBe(false);
    wait(1);
    expect(watchdog.isSilent()).toBe(true);
    watchdog.fetched();
    expect(watchdog.isSilent()).toBe(false);
  });

  test('may take longer while it joins its group', () => {
    const { watchdog, wait } = createClocked();
    watchdog.joining();
    wait(400);
    expect(watchdog.isSilent()).toBe(false);
    wait(101);
    expect(watchdog.isSilent()).toBe(true);
  });
});

describe('a partition that stands still', () => {
  test('is stuck when there is something to read in it', () => {
    const { watchdog, wait } = createClocked();
    watchdog.reading(offsets(5, 7));
    wait(101);
    expect(watchdog.stuck(offsets(5, 8))).toEqual([1]);
  });

  test('is not stuck at its end, before the timeout, when it moves, or when its end is not known', () => {
    const { watchdog, wait } = createClocked();
    watchdog.reading(offsets(5, 7));
    expect(watchdog.stuck(offsets(9, 9))).toEqual([]);
    wait(101);
    watchdog.moved(1, 9n);
    expect(watchdog.stuck(offsets(5, 9))).toEqual([]);
    wait(101);
    expect(watchdog.stuck(new Map())).toEqual([]);
  });

  test('may wait while another partition is read to its end', () => {
    const { watchdog, wait } = createClocked();
    watchdog.reading(offsets(0, 0));
    watchdog.moved(0, 100n);
    expect(watchdog.stuck(offsets(1_000, 10))).toEqual([]);
    wait(101);
    watchdog.moved(0, 200n);
    expect(watchdog.stuck(offsets(1_100, 10))).toEqual([]);
    wait(60);
    // It has reached its end of the previous check: the other partition is next.
    watchdog.moved(0, 1_100n);
    expect(watchdog.stuck(offsets(1_200, 10))).toEqual([1]);
  });

  test('is forgotten with its assignment', () => {
    const { watchdog, wait } = createClocked();
    watchdog.reading(offsets(5));
    wait(101);
    watchdog.joining();
    expect(watchdog.stuck(offsets(9))).toEqual([]);
    watchdog.moved(0, 6n);
    expect(watchdog.stuck(offsets(9))).toEqual([]);
  });
});
