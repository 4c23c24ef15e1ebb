/** Labels in the state of a partition: they take effect between two records, and again there when state is restored. */
import fc from 'fast-check';
import type { Detection } from '../../src/domain/detection';
import { labelNames, type Label } from '../../src/domain/label';
import type { Message } from '../../src/sources/source';
import {
  createMemoryStore,
  createPartition,
  createProcess,
  createStream,
  type Process,
  type ProcessOptions,
} from './harness';

const count = 400;
const options: ProcessOptions = { gain: 10, eventsPerMs: 0.01, silence: true };

const label: fc.Arbitrary<Label> = fc
  .record({
    key: fc.constantFrom('', '', 'k0', 'k1', 'k2'),
    at: fc.nat(count),
    length: fc.integer({ min: 1, max: 400 }),
    label: fc.constantFrom(...labelNames),
  })
  .map(({ at, length, ...rest }) => ({ ...rest, from: at, to: at + length }));

const life = fc.record({
  process: fc.constantFrom(0, 1),
  /** It ends after a batch that is written but not committed. */
  crash: fc.boolean(),
  labels: fc.array(label, { minLength: 1, maxLength: 3 }),
  batches: fc.array(fc.record({ size: fc.integer({ min: 1, max: 80 }), refuse: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  }),
});

/**
 * The detection of each record, and all events. A record that was not committed may be scored again with a label that has come since:
 * the last detection counts.
 */
function outputOf(written: readonly Detection[], processes: readonly Process[]) {
  return {
    detections: new Map(written.map((one) => [one.origin.offset, JSON.stringify(one)])),
    events: new Set(processes.flatMap(({ events }) => events.map((one) => JSON.stringify(one)))),
  };
}

/** A process that scores all messages, with the labels where they took effect. */
async function uninterrupted(messages: readonly Message[], labels: readonly unknown[]): Promise<Process[]> {
  const store = createMemoryStore();
  const partition = createPartition(messages, { warmUpRecords: 0 });
  const first = createProcess({ ...options, store });
  await (
    await partition.assign(first)
  )(1);
  const state = (await store.load('t', 0))!;
  await store.save('t', 0, { ...state, content: { ...(state.content as object), labels } });
  const process = createProcess({ ...options, store });
  const deliverNext = await partition.assign(process);
  while (await deliverNext(100));
  return [first, process];
}

test('the output is that of a process that is not interrupted and knows where the labels took effect', async () => {
  let effects = 0;
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1000),
      fc.integer({ min: 1, max: 200 }),
      fc.array(life, { minLength: 3, maxLength: 8 }),
      async (seed, saveEvery, lives) => {
        const messages = createStream(count, seed);
        const known: Label[] = [];
        const store = createMemoryStore();
        const written: Detection[] = [];
        const common = { ...options, store, saveEvery, written };
        const start = () => createProcess({ ...common, labels: () => [...known] });
        const processes = [start(), start()];
        const all = [...processes];
        const partition = createPartition(messages, { warmUpRecords: 0 });
        // Without a committed offset the next process begins anew, as if there had been no label.
        await (
          await partition.assign(processes[0]!)
        )(1);
        for (const { process, crash, labels, batches } of lives) {
          const deliverNext = await partition.assign(processes[process]!);
          for (const [i, { size, refuse }] of batches.entries()) {
            processes[process]!.sink.refuse = refuse;
            await deliverNext(size, !crash || i < batches.length - 1).catch(() => undefined);
            known.push(...labels.slice(i, i + 1));
          }
          if (crash) all.push((processes[process] = start()));
        }
        // The last process knows no labels: it has those of the stored state alone.
        const last = createProcess(common);
        all.push(last);
        const deliverNext = await partition.assign(last);
        while (await deliverNext(50));
        const labelled = all.flatMap((one) => one.labelled.map((found) => JSON.stringify(found, text)));
        const labels = [...new Set(labelled)].map((found) => JSON.parse(found) as { after: string });
        labels.sort((a, b) => Number(a.after) - Number(b.after));
        const replayed = await uninterrupted(messages, labels);
        const expected = outputOf(
          replayed.flatMap(({ detections }) => detections),
          replayed,
        );
        const actual = outputOf(written, all);
        const different = [...expected.detections].filter(
          ([offset, one]) => actual.detections.get(offset) !== one,
        );
        expect([actual.detections.size, different]).toEqual([expected.detections.size, []]);
        expect([...expected.events].filter((one) => !actual.events.has(one))).toEqual([]);
        effects += labels.length;
        accepted += [...actual.events].filter((one) => one.includes('"closedBy":"accepted"')).length;
      },
    ),
    { numRuns: 60 },
  );
  expect(effects).toBeGreaterThan(25);
  expect(accepted).toBeGreaterThan(10);

  function text(_: string, value: unknown): unknown {
    return typeof value === 'bigint' ? String(value) : value;
  }
}, 120_000);
