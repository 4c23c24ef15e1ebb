import { createPointerGuard } from '../../src/runtime/pointer-guard';
import { createRecordedLog } from './recorded-log';

function create(versions = ['v1', 'v2'], damaged = false) {
  const state = { current: 'v2' as string | undefined, damaged };
  const log = createRecordedLog();
  const guard = createPointerGuard(
    {
      current: () => (state.damaged ? Promise.reject(new Error('EIO')) : Promise.resolve(state.current)),
      setCurrent: (version) => Promise.resolve(void (state.current = version)),
      list: () => Promise.resolve(versions.map((version) => ({ version, createdAt: '', current: false }))),
    },
    log,
  );
  return { guard, state, log };
}

test('a new version that is not used gives the pointer back', async () => {
  const { guard, state, log } = create();
  const before = await guard.read();
  state.current = 'v3';
  await guard.restore(before);
  expect(state.current).toBe('v2');
  expect(log.entries).toMatchObject([{ level: 'warn', fields: { version: 'v3', current: 'v2' } }]);
});

test.each(['v1', undefined])('a pointer to %s, which no training has moved there, stays', async (current) => {
  const { guard, state } = create();
  const before = await guard.read();
  state.current = current;
  await guard.restore(before);
  expect(state.current).toBe(current);
});

test('a pointer that was unreadable before the training stays', async () => {
  const { guard, state, log } = create([], true);
  const before = await guard.read();
  Object.assign(state, { damaged: false, current: 'v3' });
  await guard.restore(before);
  expect(state.current).toBe('v3');
  expect(log.entries).toMatchObject([{ level: 'warn' }]);
});
