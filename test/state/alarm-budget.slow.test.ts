/** The bound on opened events, from records to sinks: over restarts and moves between processes, and over other model versions. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { burst } from '../../src/domain/alarm-budget';
import type { AnomalyEvent } from '../../src/domain/event';
import type { Label } from '../../src/domain/label';
import {
  createMemoryStore,
  createPartition,
  createProcess,
  createSimpleDetector,
  createStream,
  type Process,
} from './harness';

const gain = 40;
const messagesEach = 700;

const step = fc.record({
  partition: fc.nat(2),
  process: fc.constantFrom(0, 1),
  restart: fc.boolean(),
  /** Relative to the usual one. */
  threshold: fc.constantFrom(undefined, 0.2, 1, 1.5),
  /** People call this share of the events so far right. */
  right: fc.constantFrom(0, 0, 0.5, 1),
  batches: fc.array(
    fc.record({ size: fc.integer({ min: 1, max: 80 }), commit: fc.boolean(), refuse: fc.boolean() }),
    { minLength: 1, maxLength: 5 },
  ),
});

async function openedEvents(
  seed: number,
  partitions: number,
  eventsPerMs: number | undefined,
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
): Promise<{ all: number; wrong: number }> {
  const store = createMemoryStore();
  const labels: Label[] = [];
  const options = {
    store,
    saveEvery: 40,
    gain,
    baselines: false,
    ...(eventsPerMs && { eventsPerMs }),
    labels: () => labels,
  };
  const processes = [createProcess(options), createProcess(options)];
  const all: Process[] = [...processes];
  const topic = Array.from({ length: partitions }, (_, p) =>
    createPartition(createStream(messagesEach, seed + p, { partition: p }), { warmUpRecords: 0, partitions }),
  );
  let versions = 1;
  let told: { partition: number; event: AnomalyEvent }[] = [];
  const seen = new Set<AnomalyEvent>();
  /**
   * Records that are not committed are scored again, with the labels that are known by then: what was written of them before is
   * written anew, or not at all.
   */
  const assign = (own: number, to: Process) => {
    const committed = topic[own]!.committed();
    told = told.filter(({ partition, event }) => partition !== own || event.openedAt < committed);
    return topic[own]!.assign(to);
  };
  /** Notes what the processes have written of a partition since. */
  const note = (partition: number) => {
    for (const event of all.flatMap(({ events }) => events).filter((event) => !seen.has(event))) {
      seen.add(event);
      told.push({ partition, event });
    }
  };
  for (const { partition, process, restart, threshold, right, batches } of steps) {
    for (const { id, key, start, end } of all.flatMap(({ events }) => events))
      if (right > 0 && hashOf(id) < right) labels.push({ key, from: start, to: end, label: 'anomaly' });
    if (restart) all.push((processes[process] = createProcess(options)));
    const to = processes[process]!;
    const own = partition % partitions;
    const deliverNext = await assign(own, to);
    if (threshold !== undefined) {
      to.active.detector = createSimpleDetector(`v${++versions}`, to.table, gain);
      to.active.threshold = 1.2 * gain * threshold;
    }
    for (const { size, commit, refuse } of batches) {
      to.sink.refuse = refuse;
      await deliverNext(size, commit).catch(() => undefined);
    }
    note(own);
  }
  const last = processes[0]!;
  for (const own of topic.keys()) {
    const deliverNext = await assign(own, last);
    while (await deliverNext(50));
    note(own);
  }
  const opened = told.flatMap(({ event }) => (event.status === 'open' ? [event] : []));
  const right = all.flatMap(({ labelled }) => labelled.map(({ event }) => event));
  const ids = new Set(opened.map(({ id }) => id));
  return { all: ids.size, wrong: [...ids].filter((id) => !right.includes(id)).length };
}

/** Uniform on 0 to 1. */
const hashOf = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;

/** Where a process ends, the next one scores some records again: as they were scored, only with the same version. */
const interrupted: typeof step = step.map((one) => ({ ...one, threshold: undefined }));
const swapped: typeof step = step.map(({ batches, ...one }) => ({
  ...one,
  process: 0 as const,
  restart: false,
  batches: batches.map((batch) => ({ ...batch, commit: true, refuse: false })),
}));

test.each([
  ['restarts and moves between processes', interrupted],
  ['changes of the model version', swapped],
])(
  'never more events that nobody calls right than P (N + 1) + αT, over %s',
  async (_, steps) => {
    let [most, mostInAll, unlimited] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1000),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(1e-9, 0.005, 0.02),
        fc.array(steps, { maxLength: 8 }),
        async (seed, partitions, eventsPerMs, given) => {
          const opened = await openedEvents(seed, partitions, eventsPerMs, given);
          const bound = partitions * (burst + 1) + eventsPerMs * messagesEach;
          expect(opened.wrong).toBeLessThanOrEqual(bound);
          most = Math.max(most, opened.wrong / bound);
          mostInAll = Math.max(mostInAll, opened.all / bound);
          const free = await openedEvents(seed, partitions, undefined, given);
          unlimited = Math.max(unlimited, free.all / bound);
        },
      ),
      { numRuns: 40 },
    );
    expect(most).toBeGreaterThan(0.4);
    // Those that people call right are outside of it.
    expect(mostInAll).toBeGreaterThan(1);
    // Without a budget the same records open more.
    expect(unlimited).toBeGreaterThan(1.5);
  },
  120_000,
);
