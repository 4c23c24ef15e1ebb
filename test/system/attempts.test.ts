import { createAttempts } from '../../src/system/attempts';

test('a failure is reported once, until the work succeeds or fails for another reason', async () => {
  const reported: unknown[] = [];
  const attempt = createAttempts((error) => reported.push((error as Error).message));
  const fail = (message: string) => () => Promise.reject(new Error(message));
  await attempt(fail('EIO'));
  await attempt(fail('EIO'));
  expect(reported).toEqual(['EIO']);
  await attempt(fail('EACCES'));
  await attempt(fail('EIO'));
  expect(reported).toEqual(['EIO', 'EACCES', 'EIO']);
  await attempt(() => Promise.resolve());
  await attempt(fail('EIO'));
  expect(reported).toEqual(['EIO', 'EACCES', 'EIO', 'EIO']);
});

test('work that throws instead of rejecting counts as failed', async () => {
  const reported: unknown[] = [];
  const attempt = createAttempts((error) => reported.push(error));
  await attempt(() => {
    throw new Error('EIO');
  });
  expect(reported).toHaveLength(1);
});
