/** Compares the output of processes that lose and get a partition with the output of one that is not interrupted. */
import fc from 'fast-check';
import type { Detection } from '../../src/domain/detection';
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

export function testInterruptions(
  variants: readonly [name: string, options: ProcessOptions][],
  runs: number,
): void {
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
        { numRuns: runs },
      );
      expect(continued).toBeGreaterThan(runs);
    }, 120_000);
  });
}

/** @param seed for few runs, which at random may miss no detection */
export function testMarks(runs: number, seed?: number): void {
  test('without a store, detections that differ after an interruption are marked incomplete, and missing ones counted', async () => {
    let marked = 0;
    let unsaid = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1000),
        fc.constantFrom('none', 'missing'),
        fc.integer({ min: 0, max: 60 }),
        fc.array(fc.integer({ min: 100, max: 300 }), { minLength: 1, maxLength: 5 }),
        async (seed, padding, warmUpRecords, lengths) => {
          // Without a store, nobody can tell whether the first record of a device is late.
          const messages = createStream(1000, seed, { late: false });
          const options = { baselines: false, windows: { padding, maxKeys: 100 } } as const;
          const expected = await uninterrupted(messages, options);
          const partition = createPartition(messages, { warmUpRecords });
          const all: Process[] = [];
          for (const length of [...lengths, messages.length]) {
            all.push(createProcess(options));
            const deliverNext = await partition.assign(all.at(-1)!);
            for (let done = 0; done < length && (await deliverNext(10)); done += 10);
          }
          const judged = new Map(
            all.flatMap(({ detections }) => detections).map((one) => [one.origin.offset, one]),
          );
          const unmarked: { given: Detection; detection: Detection }[] = [];
          let missing = 0;
          for (const detection of expected.detections) {
            const given = judged.get(detection.origin.offset);
            if (given === undefined) missing++;
            else if (given.incomplete === undefined) unmarked.push({ given, detection });
            else marked++;
          }
          // One assertion for all records, as an assertion costs more than a record.
          expect(unmarked.map(({ given }) => given)).toEqual(unmarked.map(({ detection }) => detection));
          const incomplete = all.reduce((sum, { counted }) => sum + counted.incomplete, 0);
          expect(incomplete).toBeGreaterThanOrEqual(missing);
          unsaid += missing;
        },
      ),
      { numRuns: runs, ...(seed !== undefined && { seed }) },
    );
    expect(marked).toBeGreaterThan(runs);
    expect(unsaid).toBeGreaterThan(runs);
  }, 120_000);
}
