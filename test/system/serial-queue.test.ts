import { setImmediate as breathe } from 'node:timers/promises';
import { SerialQueue } from '../../src/system/serial-queue';

test('work runs one piece after the other, in the order of the calls', async () => {
  const queue = new SerialQueue();
  const steps: string[] = [];
  const work = (name: string) => async () => {
    steps.push(`${name} begins`);
    await breathe();
    steps.push(`${name} ends`);
    return name;
  };
  expect(await Promise.all([queue.run(work('a')), queue.run(work('b'))])).toEqual(['a', 'b']);
  expect(steps).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

test('a failure rejects its own call alone', async () => {
  const queue = new SerialQueue();
  const failed = queue.run(() => Promise.reject(new Error('EIO')));
  const next = queue.run(() => 1);
  await expect(failed).rejects.toThrow('EIO');
  expect(await next).toBe(1);
});

test('settled waits for all work so far, also for work that fails', async () => {
  const queue = new SerialQueue();
  let done = false;
  const failed = queue.run(async () => {
    await breathe();
    done = true;
    throw new Error('EIO');
  });
  failed.catch(() => undefined);
  await queue.settled();
  expect(done).toBe(true);
});
