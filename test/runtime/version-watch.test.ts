import { setImmediate as nextTurn } from 'node:timers/promises';
import { ModelVersionError } from '../../src/errors';
import { watchVersions } from '../../src/runtime/version-watch';
import { createRecordedLog } from './recorded-log';

function create(load: (version: string) => Promise<string> = (version) => Promise.resolve(version)) {
  const state = {
    current: 'v1' as string | undefined,
    inUse: 'v1',
    busy: false,
    loads: [] as string[],
    disposed: [] as string[],
  };
  const log = createRecordedLog();
  const lines = (level: string) => log.entries.filter((entry) => entry.level === level);
  const watch = watchVersions({
    store: {
      current: () =>
        state.current === 'away' ? Promise.reject(new Error('away')) : Promise.resolve(state.current),
    },
    intervalMs: 1_000_000,
    inUse: () => state.inUse,
    isBusy: () => state.busy,
    load(version) {
      state.loads.push(version);
      return load(version);
    },
    onSwap(version) {
      state.inUse = version;
    },
    dispose: (version) => state.disposed.push(version),
    log,
  });
  return { state, watch, lines };
}

test('a version that became the current one is used, and loaded once', async () => {
  const { state, watch } = create();
  await watch.run();
  expect(state.loads).toEqual([]);
  state.current = 'v2';
  await Promise.all([watch.run(), watch.run()]);
  await watch.run();
  expect(state.inUse).toBe('v2');
  expect(state.loads).toEqual(['v2']);
  // Also an older one, after a rollback.
  state.current = 'v1';
  await watch.run();
  expect(state.inUse).toBe('v1');
  await watch.stop();
});

test('nothing happens while the detector is busy, without a version, or after the stop', async () => {
  const { state, watch } = create();
  state.current = 'v2';
  state.busy = true;
  await watch.run();
  state.busy = false;
  state.current = undefined;
  await watch.run();
  expect(state.loads).toEqual([]);
  await watch.stop();
  state.current = 'v2';
  await watch.run();
  expect(state.loads).toEqual([]);
});

test('a version that is followed at once is in use afterwards, even while the detector is busy', async () => {
  const { state, watch } = create();
  state.busy = true;
  state.current = 'v2';
  const polled = watch.run();
  await watch.follow();
  expect(state.inUse).toBe('v2');
  await polled;
  await Promise.all([watch.follow(), watch.follow()]);
  expect(state.loads).toEqual(['v2']);
  await watch.stop();
});

test('what is followed at once is the version of then, not that of a run in progress', async () => {
  let release = (): void => undefined;
  const { state, watch } = create(async (version) => {
    if (version === 'v2') await new Promise<void>((resolve) => (release = resolve));
    return version;
  });
  state.current = 'v2';
  const polled = watch.run();
  while (state.loads.length === 0) await nextTurn();
  state.current = 'v3';
  const followed = watch.follow();
  release();
  await Promise.all([polled, followed]);
  expect(state.inUse).toBe('v3');
  await watch.stop();
});

test('a version that has come into use during the load is not replaced', async () => {
  const { state, watch } = create((version) => {
    state.inUse = 'v3';
    return Promise.resolve(version);
  });
  state.current = 'v2';
  await watch.follow();
  expect(state.inUse).toBe('v3');
  expect(state.disposed).toEqual(['v2']);
  await watch.stop();
});

test('an unusable version is tried once, until the pointer moves', async () => {
  const { state, watch, lines } = create((version) =>
    version === 'v2'
      ? Promise.reject(new ModelVersionError(version, 'checksum', 'damaged'))
      : Promise.resolve(version),
  );
  state.current = 'v2';
  await watch.run();
  await watch.run();
  expect(state.loads).toEqual(['v2']);
  expect(state.inUse).toBe('v1');
  expect(lines('error')).toHaveLength(1);
  state.current = 'v3';
  await watch.run();
  expect(state.inUse).toBe('v3');
  await watch.stop();
});

test('an unreachable store is read again, and its error is logged once', async () => {
  const { state, watch, lines } = create();
  state.current = 'away';
  await watch.run();
  await watch.run();
  expect(lines('error')).toHaveLength(1);
  state.current = 'v2';
  await watch.run();
  expect(state.inUse).toBe('v2');
  await watch.stop();
});
