/**
 * Who gets which partitions in a rebalance: a member keeps those that it has, as far as all members have the same number. kafkajs
 * itself hands them out in turns, so that most of them move with each member that comes or goes, and their state with them.
 */
import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;

/** @param owned the partitions of the topic whose state this process has: the member that assigns gets to know them */
export function createStickyAssigner(topic: string, owned: () => readonly number[]): PartitionAssigner {
  const version = 0;
  const name = 'VaemonSticky';
  return ({ cluster }) => ({
    name,
    version,
    protocol: ({ topics }) => ({
      name,
      metadata: MemberMetadata.encode({ version, topics, userData: Buffer.from(JSON.stringify(owned())) }),
    }),
    assign({ members }) {
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
      const claims = new Map(
        members.map(({ memberId, memberMetadata }) => [memberId, readClaims(memberMetadata)]),
      );
      const shares = [...shareOut(partitions, claims)];
      return Promise.resolve(
        shares.map(([memberId, share]) => ({
          memberId,
          memberAssignment: MemberAssignment.encode({
            version,
            assignment: { [topic]: share },
            userData: Buffer.alloc(0),
          }),
        })),
      );
    },
  });
}

/** None where a member has sent something else. */
function readClaims(memberMetadata: Buffer): readonly number[] {
  try {
    const claims: unknown = JSON.parse(MemberMetadata.decode(memberMetadata)!.userData.toString());
    return Array.isArray(claims) ? claims.filter((one): one is number => typeof one === 'number') : [];
  } catch {
    return [];
  }
}

/**
 * Each member gets as many partitions as the others, or one more, of those that it claims if possible. Of two members that claim
 * the same one, one has lost it, which costs it a restore.
 * @param claims by member
 */
export function shareOut(
  partitions: readonly number[],
  claims: ReadonlyMap<string, readonly number[]>,
): Map<string, number[]> {
  const free = new Set(partitions);
  // Those with the most claims get the shares that are larger by one.
  const members = [...claims].sort(([a, { length: m }], [b, { length: n }]) => n - m || (a < b ? -1 : 1));
  const sizeOf = (i: number): number =>
    Math.floor(partitions.length / members.length) + (i < partitions.length % members.length ? 1 : 0);
  const shares = members.map(([, claimed], i) => {
    const kept: number[] = [];
    for (const partition of claimed)
      if (kept.length < sizeOf(i) && free.delete(partition)) kept.push(partition);
    return kept;
  });
  const rest = [...free];
  shares.forEach((share, i) => share.push(...rest.splice(0, sizeOf(i) - share.length)));
  return new Map(members.map(([member], i) => [member, shares[i]!.sort((a, b) => a - b)]));
}
