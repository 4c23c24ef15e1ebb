/**
 * Assigns partitions in a rebalance: a member keeps its partitions, as far as all members get the same number. The assigner of
 * kafkajs is round-robin, so most partitions, and with them their state, would move with each member that joins or leaves.
 */
import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;

/** @param owned returns the partitions of the topic whose state this process has; they are sent to the member that assigns */
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

/** Empty if a member has sent other data. */
function readClaims(memberMetadata: Buffer): readonly number[] {
  try {
    const claims: unknown = JSON.parse(MemberMetadata.decode(memberMetadata)!.userData.toString());
    return Array.isArray(claims) ? claims.filter((one): one is number => typeof one === 'number') : [];
  } catch {
    return [];
  }
}

/**
 * Gives each member the same number of partitions, or one more, and if possible those that it claims. If two members
 * claim a partition, one of them has lost it, and its claim costs only a restore.
 * @param claims by member
 */
export function shareOut(
  partitions: readonly number[],
  claims: ReadonlyMap<string, readonly number[]>,
): Map<string, number[]> {
  const free = new Set(partitions);
  // The members with the most claims get the larger shares.
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
