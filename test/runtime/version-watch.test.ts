import { ModelVersionError } from '../../src/errors';
import { watchVersions } from '../../src/runtime/version-watch';
import { createRecordedLog } from './recorded-log';

function create(load: (version: string) => Promise<string> = (version) => Promise.resolve(version)) {
  const state = { current: 'v1' as string | undefined, inUse: 'v1', busy: false, loads: [] as string[] };
  const log = createRecordedLog();
  const lines = (level: string) => log.entries.filter((entry) => entry.level === level);
  const watch = watchVersions({
    detector: 'pump',
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
    onSwap(_, version) {
      state.inUse = version;
    },
    log,
  });
  return { state, watch, lines };
}

test('a version that someone has made the current one comes into use, once', async () => {
  const { state, watch } = create();
  await watch.look();
  expect(state.loads).toEqual([]);
  state.current = 'v2';
  await Promise.all([watch.look(), watch.look()]);
  await watch.look();
  expect(state.inUse).toBe('v2');
  expect(state.loads).toEqual(['v2']);
  // Also when it is an older one: someone has gone back.
  state.current = 'v1';
  await watch.look();
  expect(state.inUse).toBe('v1');
  await watch.stop();
});

test('while this process trains, and where there is no version, nothing happens', async () => {
  const { state, watch } = create();
  state.current = 'v2';
  state.busy = true;
  await watch.look();
  state.busy = false;
  state.current = undefined;
  await watch.look();
  expect(state.loads).toEqual([]);
  await watch.stop();
  state.current = 'v2';
  await watch.look();
  expect(state.loads).toEqual([]);
});

test('one that must not be used is tried once, until the pointer has moved', async () => {
  const { state, watch, lines } = create((version) =>
    version === 'v2'
      ? Promise.reject(new ModelVersionError(version, 'checksum', 'damaged'))
      : Promise.resolve(version),
  );
  state.current = 'v2';
  await watch.look();
  await watch.look();
  expect(state.loads).toEqual(['v2']);
  expect(state.inUse).toBe('v1');
  expect(lines('error')).toHaveLength(1);
  state.current = 'v3';
  await watch.look();
  expect(state.inUse).toBe('v3');
  await watch.stop();
});

test('a store that is away is asked again, and that is said once', async () => {
  const { state, watch, lines } = create();
  state.current = 'away';
  await watch.look();
  await watch.look();
  expect(lines('error')).toHaveLength(1);
  state.current = 'v2';
  await watch.look();
  expect(state.inUse).toBe('v2');
  await watch.stop();
});
