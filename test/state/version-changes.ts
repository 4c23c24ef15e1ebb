/** Versions that come into use while processes lose and get a partition, at random. */
import fc from 'fast-check';
import type { Detection } from '../../src/domain/detection';
import { createMemoryStore, createPartition, createProcess, createStream } from './harness';

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
export function contradictions(detections: readonly Detection[]): string[] {
  const surprises = new Map<string, number>();
  return detections.flatMap(({ origin, modelVersion, surprise }) => {
    const scored = `${origin.offset} ${modelVersion}`;
    const before = surprises.get(scored) ?? surprise;
    surprises.set(scored, before);
    return before === surprise ? [] : [`${scored}: ${before} ${surprise}`];
  });
}

/** @param seed for few runs, which at random may score no record twice */
export function testVersionChanges(runs: number, seed?: number): void {
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
      { numRuns: runs, ...(seed !== undefined && { seed }) },
    );
    // A few for each run, else the property is about nothing.
    expect(twice).toBeGreaterThan(runs / 4);
  }, 120_000);
}
