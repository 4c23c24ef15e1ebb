import { runConcurrently } from '../../src/system/concurrency';

test('no more tasks than the limit run at once, and results keep the order of the items', async () => {
  let running = 0;
  let most = 0;
  const results = await runConcurrently([30, 1, 20, 5, 1], 2, async (ms) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, ms));
    running--;
    return ms * 2;
  });
  expect(results).toEqual([60, 2, 40, 10, 2]);
  expect(most).toBe(2);
});

test('the first failure aborts the running tasks, starts no further one, and is the rejection', async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const run = runConcurrently(['bad', 'slow', 'later'], 2, async (name, signal) => {
    begun.push(name);
    if (name === 'bad') throw new Error('it broke');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    ended.push(name);
  });
  await expect(run).rejects.toThrow('it broke');
  expect(begun).toEqual(['bad', 'slow']);
  expect(ended).toEqual(['slow']);
});
