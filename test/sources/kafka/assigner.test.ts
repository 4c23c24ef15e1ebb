import fc from 'fast-check';
import { AssignerProtocol, type Cluster, type Logger } from 'kafkajs';
import { createStickyAssigner, shareOut } from '../../../src/sources/kafka/assigner';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const sizesOf = (shares: ReadonlyMap<string, readonly number[]>) =>
  [...shares.values()].map(({ length }) => length);

/** Shares after a rebalance of these members, who claim what they had before. */
const next = (
  members: readonly string[],
  before: ReadonlyMap<string, readonly number[]>,
  partitions = 1000,
) => shareOut(upTo(partitions), new Map(members.map((member) => [member, before.get(member) ?? []])));

function movedOf(
  before: ReadonlyMap<string, readonly number[]>,
  after: ReadonlyMap<string, readonly number[]>,
) {
  return [...after].flatMap(([member, share]) =>
    share.filter((partition) => before.get(member)?.includes(partition) !== true),
  ).length;
}

test('partitions of a member that leaves move, and no others; one that joins gets its share and no more', () => {
  const four = next(['a', 'b', 'c', 'd'], new Map());
  expect(sizesOf(four)).toEqual([250, 250, 250, 250]);
  const three = next(['a', 'b', 'd'], four);
  expect(sizesOf(three).sort()).toEqual([333, 333, 334]);
  expect(movedOf(four, three)).toBe(250);
  const again = next(['a', 'b', 'd', 'new'], three);
  expect(sizesOf(again)).toEqual([250, 250, 250, 250]);
  expect(movedOf(three, again)).toBe(250);
  expect(movedOf(again, next(['d', 'new', 'b', 'a'], again))).toBe(0);
});

test('whatever members claim, each partition has one member, and shares differ by one at most', () => {
  fc.assert(
    fc.property(
      fc.nat(40),
      fc.dictionary(fc.string({ minLength: 1 }), fc.array(fc.integer({ min: -2, max: 50 })), { minKeys: 1 }),
      (partitions, claims) => {
        const shares = shareOut(upTo(partitions), new Map(Object.entries(claims)));
        expect([...shares.keys()].sort()).toEqual(Object.keys(claims).sort());
        expect([...shares.values()].flat().sort((a, b) => a - b)).toEqual(upTo(partitions));
        const sizes = sizesOf(shares);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test('members tell the one that assigns what they hold; one that tells something else holds nothing', async () => {
  const cluster = {
    findTopicPartitionMetadata: () => upTo(4).map((partitionId) => ({ partitionId })),
  } as unknown as Cluster;
  const create = (held: readonly number[]) =>
    createStickyAssigner('sensors', () => held)({ cluster, groupId: 'g', logger: {} as Logger });
  const of = (held: readonly number[]): Buffer => create(held).protocol({ topics: ['sensors'] }).metadata;
  const told = (userData: string): Buffer =>
    MemberMetadata.encode({ version: 0, topics: ['sensors'], userData: Buffer.from(userData) });
  const assigned = async (metadata: Record<string, Buffer>) => {
    const members = Object.entries(metadata).map(([memberId, memberMetadata]) => ({
      memberId,
      memberMetadata,
    }));
    const answers = await create([]).assign({ members, topics: ['sensors'] });
    return Object.fromEntries(
      answers.map(({ memberId, memberAssignment }) => [
        memberId,
        MemberAssignment.decode(memberAssignment)!.assignment,
      ]),
    );
  };
  expect(await assigned({ a: of([2, 3]), b: of([]) })).toEqual({
    a: { sensors: [2, 3] },
    b: { sensors: [0, 1] },
  });
  for (const text of ['', '{', '7', '{"0":1}', '["1"]', 'null'])
    expect(await assigned({ a: told(text), b: of([0, 1]) })).toEqual({
      a: { sensors: [2, 3] },
      b: { sensors: [0, 1] },
    });
});
