/** Rules that change while a process runs: between two batches, and from the same record on after a crash. */
import type { EventPolicy } from '../../src/domain/event';
import type { RecordRules } from '../../src/pipeline/pipeline';
import {
  createMemoryStore,
  createPartition,
  createProcess,
  createStream,
  offsetsOf,
  quickEvents,
  type Process,
} from './harness';

const count = 400;
const policy: EventPolicy = { ...quickEvents, eventsPerMs: 0.01 };
const before: RecordRules = { name: 'before', events: policy, limits: () => [] };
const after: RecordRules = {
  name: 'after',
  events: { ...policy, openRecords: 1, closeAfter: 5, suppressForMs: 0, eventsPerMs: 0.05 },
  limits: () => [],
};

const decideBy = ({ active }: Process, rules: RecordRules): void => {
  active.rules = rules;
  active.threshold = rules === before ? 12 : 9;
};

const start = (rules: RecordRules, store?: ReturnType<typeof createMemoryStore>): Process => {
  // It saves by itself only when rules change.
  const process = createProcess({ gain: 10, eventsPerMs: 0.01, saveEvery: 1e6, ...(store && { store }) });
  decideBy(process, rules);
  return process;
};

const linesOf = (...processes: Process[]) => ({
  detections: processes.flatMap(({ detections }) => detections.map((one) => JSON.stringify(one))),
  events: processes.flatMap(({ events }) => events.map((one) => JSON.stringify(one))),
});

/** Delivers to a process until `offset`. */
async function runTo(offset: number, next: (size: number) => Promise<boolean>, from: number): Promise<void> {
  for (let at = from; at < offset; at += 20) await next(Math.min(20, offset - at));
}

test.each([1, 3, 5])(
  'a process that is killed after the rules have changed continues as if it had not been (seed %i)',
  async (seed) => {
    const messages = createStream(count, seed);
    const changeAt = 100 + 20 * seed;
    const killedAt = changeAt + 60;

    const whole = start(before);
    const deliverWhole = await createPartition(messages, { warmUpRecords: 0 }).assign(whole);
    await runTo(changeAt, deliverWhole, 0);
    decideBy(whole, after);
    await runTo(count, deliverWhole, changeAt);

    const store = createMemoryStore();
    const partition = createPartition(messages, { warmUpRecords: 0 });
    const killed = start(before, store);
    const deliverKilled = await partition.assign(killed);
    await runTo(changeAt, deliverKilled, 0);
    decideBy(killed, after);
    await runTo(killedAt, deliverKilled, changeAt);
    // The state that the earlier rules have left is stored before a record is decided by the others.
    expect(offsetsOf(store)).toContain(changeAt - 1);
    const next = start(after, store);
    const deliverNext = await partition.assign(next);
    // The records since the change come again first.
    await deliverNext(killedAt - changeAt);
    await runTo(count, deliverNext, killedAt);

    expect(next.errors).toEqual([]);
    expect(linesOf(killed, next)).toEqual(linesOf(whole));
    // The change has an effect, and the events before it count on.
    const unchanged = start(before);
    await runTo(count, await createPartition(messages, { warmUpRecords: 0 }).assign(unchanged), 0);
    expect(linesOf(unchanged).events).not.toEqual(linesOf(whole).events);
  },
);

test('rules that are the same again change nothing', async () => {
  const messages = createStream(count, 1);
  const store = createMemoryStore();
  const process = start(before, store);
  const next = await createPartition(messages, { warmUpRecords: 0 }).assign(process);
  await runTo(200, next, 0);
  // As a new version does.
  decideBy(process, before);
  process.active.rules = { ...before, events: { ...policy } };
  await runTo(count, next, 200);
  expect(offsetsOf(store)).toEqual([-1]);
});
