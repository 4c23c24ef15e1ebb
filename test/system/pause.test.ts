import { backOffMs, pause, settledWithin, unlessAborted } from '../../src/system/pause';

test('waits longer after each attempt, up to the bound', () => {
  for (let i = 0; i < 50; i++) {
    expect(backOffMs(0, 10_000)).toBeLessThanOrEqual(250);
    expect(backOffMs(0, 10_000)).toBeGreaterThanOrEqual(200);
    expect(backOffMs(3, 10_000)).toBeGreaterThan(1_500);
    expect(backOffMs(1_000, 10_000)).toBeLessThanOrEqual(10_000);
  }
});

test('a pause ends at once when it is aborted', async () => {
  const stop = new AbortController();
  const ended = pause(60_000, stop.signal);
  stop.abort();
  await ended;
  await pause(60_000, stop.signal);
});

test('reports whether work settles in time, also with an error', async () => {
  expect(await settledWithin(Promise.resolve(1), 1_000)).toBe(true);
  expect(await settledWithin(Promise.reject(new Error('no')), 1_000)).toBe(true);
  expect(await settledWithin(new Promise(() => undefined), 5)).toBe(false);
});

test('work ends with its result, its error, or the abort of the signal', async () => {
  const stop = new AbortController();
  expect(await unlessAborted(Promise.resolve(1), stop.signal)).toBe(1);
  await expect(unlessAborted(Promise.reject(new Error('no')), stop.signal)).rejects.toThrow('no');
  const never = unlessAborted(new Promise(() => undefined), stop.signal);
  stop.abort();
  expect(await never).toBeUndefined();
  expect(await unlessAborted(new Promise(() => undefined), stop.signal)).toBeUndefined();
});

test('work that has ended leaves no listener on the signal', async () => {
  const { signal } = new AbortController();
  const removed = jest.spyOn(signal, 'removeEventListener');
  await unlessAborted(Promise.resolve(1), signal);
  await new Promise(setImmediate);
  expect(removed).toHaveBeenCalledTimes(1);
});
