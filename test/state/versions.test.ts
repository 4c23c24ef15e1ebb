/** Versions that come into use while processes lose and get a partition: a record that a version scores twice has the same surprise. */
import fc from 'fast-check';
import type { Detection } from '../../src/domain/detection';
import { createMemoryStore, createPartition, createProcess, createStream, type Process } from './harness';

const life = fc.record({
  process: fc.constantFrom(0, 1),
  restart: fc.boolean(),
  save: fc.boolean(),
  batches: fc.array(
    fc.record({
      size: fc.integer({ min: 1, max: 80 }),
      commit: fc.boolean(),
      refuse: fc.boolean(),
      /** Whether another version becomes the current one before the batch. */
      publish: fc.boolean(),
      /** Whether the process sees that by itself. */
      poll: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

/** The records that a version has scored twice with different surprises. */
function contradictions(detections: readonly Detection[]): string[] {
  const surprises = new Map<string, number>();
  return detections.flatMap(({ origin, modelVersion, surprise }) => {
    const scored = `${origin.offset} ${modelVersion}`;
    const before = surprises.get(scored) ?? surprise;
    surprises.set(scored, before);
    return before === surprise ? [] : [`${scored}: ${before} ${surprise}`];
  });
}

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

test('a record that a version scores twice has the same surprise, whichever processes score it and whenever they see a new version', async () => {
  let twice = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1000),
      fc.integer({ min: 1, max: 200 }),
      fc.array(life, { minLength: 1, maxLength: 12 }),
      async (seed, saveEvery, lives) => {
        const messages = createStream(900, seed);
        const store = createMemoryStore();
        const written: Detection[] = [];
        const pointer = { version: 'v1' };
        const start = () => createProcess({ store, saveEvery, written, pointer });
        const processes = [start(), start()];
        const all = [...processes];
        const partition = createPartition(messages, { warmUpRecords: 0 });
        // As a group does where it begins.
        partition.commitTo(0);
        for (const { process, restart, save, batches } of lives) {
          if (restart) all.push((processes[process] = start()));
          const one = processes[process]!;
          const deliverNext = await partition.assign(one);
          for (const { size, commit, refuse, publish, poll } of batches) {
            if (publish) pointer.version = `v${Number(pointer.version.slice(1)) + 1}`;
            if (poll) one.follow();
            one.sink.refuse = refuse;
            await deliverNext(size, commit).catch(() => undefined);
          }
          if (save) await one.states.of('t', 0).save(BigInt(partition.committed()));
        }
        expect(contradictions(written)).toEqual([]);
        expect(all.flatMap(({ errors }) => errors)).toEqual([]);
        const scored = written.map(({ origin, modelVersion }) => `${origin.offset} ${modelVersion}`);
        twice += scored.length - new Set(scored).size;
      },
    ),
    { numRuns: 80 },
  );
  // A few hundred, else the property is about nothing.
  expect(twice).toBeGreaterThan(20);
}, 120_000);
