/** Compares the output of processes that lose and get a partition with the output of one that is not interrupted. */
import fc from 'fast-check';
import type { Message } from '../../src/sources/source';
import {
  createMemoryStore,
  createPartition,
  createProcess,
  createStream,
  deliver,
  inTurn,
  type Process,
  type ProcessOptions,
} from './harness';

/** A process that scores all messages without interruption. */
export async function uninterrupted(
  messages: readonly Message[],
  options: ProcessOptions = {},
): Promise<Process> {
  const alone = createProcess(options);
  for (const batch of inTurn(messages)) await deliver(alone.handle, batch);
  return alone;
}

/** All output, without repetitions: a record that was scored twice with different results is in it twice. */
function outputOf(processes: readonly Process[]): Set<string> {
  const output = processes.flatMap(({ detections, events, deadLetters }) => [
    ...detections,
    ...events,
    ...deadLetters.map(({ reason, origin }) => ({ reason, origin })),
  ]);
  return new Set(output.map((one) => JSON.stringify(one)));
}
/** The first few elements that only one of the sets has. */
const differences = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] =>
  [...a, ...b].filter((one) => a.has(one) !== b.has(one)).slice(0, 4);

const batch = fc.record({
  size: fc.integer({ min: 1, max: 80 }),
  commit: fc.boolean(),
  refuse: fc.boolean(),
  full: fc.boolean(),
});
const life = fc.record({
  process: fc.constantFrom(0, 1),
  restart: fc.boolean(),
  /** Whether the process gives the partition back in order. */
  save: fc.boolean(),
  batches: fc.array(batch, { minLength: 1, maxLength: 12 }),
});

export function testInterruptions(variants: readonly [name: string, options: ProcessOptions][]): void {
  describe.each(variants)('with %s', (_, options) => {
    test('the output is the same bit for bit, however often the partition is lost and to whichever process', async () => {
      let continued = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.nat(1000),
          fc.integer({ min: 1, max: 200 }),
          fc.array(life, { maxLength: 8 }),
          async (seed, saveEvery, lives) => {
            const messages = createStream(600, seed);
            const expected = outputOf([await uninterrupted(messages, options)]);
            const store = createMemoryStore();
            const start = () => createProcess({ ...options, store, saveEvery });
            const processes = [start(), start()];
            const all = [...processes];
            const partition = createPartition(messages, { warmUpRecords: 0 });
            for (const { process, restart, save, batches } of lives) {
              if (restart) all.push((processes[process] = start()));
              const deliverNext = await partition.assign(processes[process]!);
              for (const { size, commit, refuse, full } of batches) {
                // A partition whose beginning is not stored cannot be continued.
                store.refuse = full && store.saves.length > 0;
                processes[process]!.sink.refuse = refuse;
                await deliverNext(size, commit).catch(() => undefined);
              }
              if (save) await processes[process]!.states.of('t', 0).save(BigInt(partition.committed()));
            }
            store.refuse = false;
            // The last process has only the stored state.
            const last = start();
            const deliverNext = await partition.assign(last);
            while (await deliverNext(50));
            expect(differences(outputOf([...all, last]), expected)).toEqual([]);
            const reasons = [...all, last].flatMap((one) => one.errors);
            expect(reasons.filter((reason) => reason !== 'unsaved')).toEqual([]);
            continued += store.saves.filter(({ offset }) => offset >= 0n).length;
          },
        ),
        { numRuns: 40 },
      );
      expect(continued).toBeGreaterThan(40);
    }, 120_000);
  });
}
