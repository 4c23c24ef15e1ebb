import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createMemories, type MemorySnapshot } from '../../src/calibration/memory';

const size = 2;
const memoriesOf = (snapshot: MemorySnapshot, maxKeys = 10) =>
  createMemories(size, (cells) => cells, { maxKeys }, snapshot);
const threeDevices = (): MemorySnapshot => ({
  keys: ['a', 'b', 'c'],
  cells: Float64Array.from([1, 2, 3, 4, 5, 6]),
});

test('memories continue from a snapshot, as far as there is room for its devices', () => {
  expect(memoriesOf(threeDevices()).snapshot()).toEqual(threeDevices());
  expect(memoriesOf(threeDevices(), 2).snapshot()).toEqual({
    keys: ['b', 'c'],
    cells: Float64Array.from([3, 4, 5, 6]),
  });
  expect(() => memoriesOf({ keys: ['a'], cells: new Float64Array(3) })).toThrow(RangeError);
});

test('memories do not keep the snapshot that they were restored from', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  let given: MemorySnapshot | undefined = threeDevices();
  const kept = new WeakRef(given.cells);
  const memories = memoriesOf(given);
  given = undefined;
  // A weak reference holds until the end of the turn in which it was made.
  await new Promise(setImmediate);
  collectGarbage();
  expect(memories.size).toBe(3);
  expect(kept.deref()).toBeUndefined();
});
