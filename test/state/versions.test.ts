/** Versions that come into use while processes lose and get a partition: a record that a version scores twice has the same surprise. */
import type { Detection } from '../../src/domain/detection';
import { createMemoryStore, createPartition, createProcess, createStream, type Process } from './harness';
import { contradictions, testVersionChanges } from './version-changes';

describe('a partition that another process has scored with a newer version', () => {
  /** `one` scores 100 records with v1, of which 80 are committed, then `two` 40 with v2, of which 20 are committed. */
  async function passedOn() {
    const messages = createStream(400, 3);
    const store = createMemoryStore();
    const written: Detection[] = [];
    const pointer = { version: 'v1' };
    const start = () => createProcess({ store, saveEvery: 30, written, pointer });
    const [one, two] = [start(), start()];
    const partition = createPartition(messages, { warmUpRecords: 0 });
    partition.commitTo(0);
    let deliverNext = await partition.assign(one);
    for (const size of [40, 40]) await deliverNext(size);
    await deliverNext(20, false);
    pointer.version = 'v2';
    two.follow();
    deliverNext = await partition.assign(two);
    await deliverNext(20);
    await deliverNext(20, false);
    /** The detections of a process that scores the rest. */
    const scoreRest = async (next: Process): Promise<Detection[]> => {
      const before = written.length;
      deliverNext = await partition.assign(next);
      while (await deliverNext(50));
      expect(Number(written[before]!.origin.offset)).toBeLessThan(120);
      return written.slice(before);
    };
    return { one, store, written, scoreRest };
  }

  test('is scored with that version by a process that has not seen it', async () => {
    const { one, written, scoreRest } = await passedOn();
    expect(one.active.detector.version).toBe('v1');
    const rest = await scoreRest(one);
    expect(new Set(rest.map(({ modelVersion }) => modelVersion))).toEqual(new Set(['v2']));
    expect(contradictions(written)).toEqual([]);
  });

  test('is scored with the version in use where the newer one cannot be used', async () => {
    const { store, written, scoreRest } = await passedOn();
    const rest = await scoreRest(createProcess({ store, written, pointer: { version: 'v1' } }));
    expect(new Set(rest.map(({ modelVersion }) => modelVersion))).toEqual(new Set(['v1']));
    expect(rest[0]).toMatchObject({ baseline: { rise: 0 } });
  });
});

testVersionChanges(10, 4);
