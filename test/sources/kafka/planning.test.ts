import { unstableOffset } from '../../../src/kafka/patches/stable-offsets';
import { planStarts, type PlanningParts } from '../../../src/sources/kafka/planning';
import { TopicProgress } from '../../../src/sources/kafka/progress';
import { createFakeKafka, topic } from './fake-kafka';

function createPlanning({ restorePoint }: { restorePoint?: bigint } = {}) {
  const fake = createFakeKafka();
  const progress = new TopicProgress();
  const asked: string[] = [];
  const parts: PlanningParts = {
    admin: fake.kafka.admin(),
    settings: { topic, groupId: 'g', startFrom: 'latest', warmUpRecords: 10 },
    progress,
    restorePoints: {
      keepOnly: () => undefined,
      restorePoint(partition, liveFrom) {
        asked.push(`${partition}:${liveFrom}`);
        return Promise.resolve(restorePoint);
      },
    },
    committer: undefined,
  };
  return { ...fake, progress, asked, parts };
}

test('a group without an offset starts at the latest message, which is committed', async () => {
  const { bounds, parts, asked } = createPlanning();
  bounds.set(0, { low: 5, high: 50 });
  bounds.set(1, { low: 0, high: 0 });
  expect(await planStarts([0], parts)).toEqual([
    {
      partition: 0,
      offsets: { low: 5n, high: 50n, committed: -1n, known: undefined },
      assignment: { from: 40n, liveFrom: 50n, after: undefined, processedBefore: false, partitions: 2 },
      missing: 0n,
      restarted: false,
      mustCommit: true,
    },
  ]);
  expect(asked).toEqual([]);
});

test('a committed offset continues there, and reading starts after the stored state', async () => {
  const { bounds, committed, parts, asked } = createPlanning({ restorePoint: 26n });
  bounds.set(0, { low: 0, high: 50 });
  committed.set(0, 30);
  const [plan] = await planStarts([0], parts);
  expect(plan).toMatchObject({
    assignment: { from: 27n, liveFrom: 30n, after: 26n, processedBefore: true },
    mustCommit: false,
  });
  expect(asked).toEqual(['0:30']);
});

test('the process continues where it is, even if its last commit has failed', async () => {
  const { bounds, committed, progress, parts } = createPlanning();
  bounds.set(0, { low: 0, high: 50 });
  committed.set(0, 30);
  progress.handled(0, 34n);
  const [plan] = await planStarts([0], parts);
  expect(plan).toMatchObject({ assignment: { liveFrom: 34n }, mustCommit: true });
});

test('unhandled messages that retention has removed are counted', async () => {
  const { bounds, committed, parts } = createPlanning();
  bounds.set(0, { low: 35, high: 50 });
  committed.set(0, 30);
  const [plan] = await planStarts([0], parts);
  expect(plan).toMatchObject({ missing: 5n, assignment: { liveFrom: 35n }, mustCommit: true });
});

test('stored state of a topic that was recreated is not asked for', async () => {
  const { bounds, committed, parts, asked } = createPlanning({ restorePoint: 3n });
  bounds.set(0, { low: 0, high: 5 });
  committed.set(0, 30);
  const [plan] = await planStarts([0], parts);
  expect(plan).toMatchObject({ restarted: true, assignment: { after: undefined } });
  expect(asked).toEqual([]);
});

test('other processes are fenced before the offsets are read', async () => {
  const { bounds, calls, parts } = createPlanning();
  bounds.set(0, { low: 0, high: 5 });
  await planStarts([0], {
    ...parts,
    committer: {
      fence: (partitions) => Promise.resolve(void calls.push(`fence ${partitions.join()}`)),
      commitStartOffset: () => Promise.resolve(),
    },
  });
  expect(calls).toEqual(['fence 0', 'fetchOffsets']);
});

test('an offset that may still change is an error, of own partitions only', async () => {
  const { bounds, committed, parts } = createPlanning();
  bounds.set(0, { low: 0, high: 5 });
  committed.set(0, 1);
  committed.set(1, Number(unstableOffset));
  await expect(planStarts([0], parts)).resolves.toHaveLength(1);
  await expect(planStarts([0, 1], parts)).rejects.toThrow('not finished yet');
});

test('a partition that no longer exists is an error', async () => {
  const { parts } = createPlanning();
  await expect(planStarts([3], parts)).rejects.toThrow('topic "sensors" no longer has partition 3');
});

describe('of many partitions', () => {
  const many = Array.from({ length: 20 }, (_, partition) => partition);
  function createMany() {
    const test = createPlanning();
    let [atOnce, most] = [0, 0];
    for (const partition of many) {
      test.bounds.set(partition, { low: 0, high: 50 });
      test.committed.set(partition, 30);
    }
    test.parts.restorePoints.restorePoint = async (partition) => {
      test.asked.push(String(partition));
      most = Math.max(most, ++atOnce);
      await new Promise(setImmediate);
      atOnce--;
      return undefined;
    };
    return { ...test, most: () => most };
  }

  test('only a few states are in memory as files at once', async () => {
    const { parts, most, asked } = createMany();
    const plans = await planStarts(many, parts);
    expect(plans.map(({ partition }) => partition)).toEqual(many);
    expect(asked).toHaveLength(20);
    expect(most()).toBe(4);
  });

  test('no further state is restored once another assignment has followed', async () => {
    const { parts, asked } = createMany();
    const planned = planStarts(many, { ...parts, isCurrent: () => asked.length < 6 });
    await expect(planned).rejects.toThrow('another assignment has followed');
    expect(asked).toHaveLength(6);
  });
});
