import { Cleanup } from '../../src/runtime/cleanup';

test('what was acquired last is released first, one after the other, and once', async () => {
  const cleanup = new Cleanup();
  const steps: string[] = [];
  for (const name of ['lease', 'sink', 'source']) {
    cleanup.add(name, async () => {
      steps.push(`${name} begins`);
      await new Promise(setImmediate);
      steps.push(`${name} ends`);
    });
  }
  await Promise.all([cleanup.release(), cleanup.release()]);
  await cleanup.release();
  expect(steps).toEqual([
    'source begins',
    'source ends',
    'sink begins',
    'sink ends',
    'lease begins',
    'lease ends',
  ]);
});

test('a failure does not stop the rest, and is reported with its name', async () => {
  const cleanup = new Cleanup();
  const released: string[] = [];
  cleanup.add('lease', () => void released.push('lease'));
  cleanup.add('sink', () => Promise.reject(new Error('away')));
  const error = (await cleanup.release().catch((cause: unknown) => cause)) as AggregateError;
  expect(released).toEqual(['lease']);
  expect(error.errors).toMatchObject([{ message: 'could not release sink', cause: { message: 'away' } }]);
});

test('what it owns is stopped', async () => {
  const cleanup = new Cleanup();
  let stops = 0;
  const watch = { stop: () => void (stops += 1) };
  expect(cleanup.own('watch', watch)).toBe(watch);
  await cleanup.release();
  expect(stops).toBe(1);
});
