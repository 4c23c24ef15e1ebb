import { KeyWindows } from '../../src/domain/key-windows';

/** For two keys; a window lives for 100 ms. Returns what happened to the windows of the newcomers. */
function create(length: number) {
  let evicted = 0;
  const shape = { length, channels: 1, conditions: 0 };
  const windows = new KeyWindows(shape, { maxKeys: 2, ttlMs: 100 }, () => evicted++);
  /** A record of a key; whether it has a window. */
  const see = (key: string, timestamp: number): boolean => {
    const window = windows.see(key, timestamp);
    if (window !== undefined) window.newest = timestamp;
    return window !== undefined;
  };
  return { windows, see, evicted: () => evicted };
}
const keysOf = ({ windows }: ReturnType<typeof create>) => [...windows].map(({ key }) => key);

test('windows are in the order in which their keys were last seen', () => {
  const all = create(3);
  for (const [i, key] of ['a', 'b', 'a'].entries()) all.see(key, i);
  expect([keysOf(all), all.windows.latest!.key]).toEqual([['b', 'a'], 'a']);
});

test('a further key takes, emptied, the window that was silent for longer than its time to live', () => {
  const all = create(3);
  for (const key of ['a', 'b']) all.see(key, 0);
  all.windows.get('a')!.pushed = 3;
  all.see('b', 50);
  expect([all.see('c', 100), keysOf(all)]).toEqual([false, ['a', 'b']]);
  expect([all.see('c', 101), keysOf(all)]).toEqual([true, ['b', 'c']]);
  expect(all.windows.get('c')).toMatchObject({ pushed: 0, lacking: 4 });
  expect([all.windows.get('a'), all.evicted()]).toEqual([undefined, 0]);
});

test('windows of one record are given away at once, and counted', () => {
  const all = create(1);
  for (const key of ['a', 'b', 'c']) expect(all.see(key, 0)).toBe(true);
  expect([keysOf(all), all.evicted()]).toEqual([['b', 'c'], 1]);
});
