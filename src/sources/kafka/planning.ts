/** Start offsets of newly assigned partitions. */
import type { TopicAdmin } from '../../kafka/admin';
import { unstableOffset } from '../../kafka/patches/stable-offsets';
import { runConcurrently } from '../../system/concurrency';
import type { Assignment } from '../source';
import { findStart, firstOffsetToRead, type PartitionOffsets } from './offsets';
import type { KafkaSourceSettings, SessionOptions } from './settings';

/**
 * Maximum number of states that are restored concurrently: while one is read, another one is decoded. More would only occupy
 * memory.
 */
const restoredAtOnce = 4;

/** Where one partition starts. */
export type StartPlan = Awaited<ReturnType<typeof planStart>>;

export interface PlanningParts extends Pick<SessionOptions, 'progress' | 'restorePoints' | 'committer'> {
  admin: Pick<TopicAdmin, 'fetchOffsets' | 'fetchTopicOffsets'>;
  settings: Pick<KafkaSourceSettings, 'topic' | 'groupId' | 'startFrom' | 'warmUpRecords'>;
  /**
   * Whether this assignment is still the newest one: the restore points of a later one must not be disturbed. Default: always.
   */
  isCurrent?: () => boolean;
}

/**
 * Plans all partitions of an assignment, so that none starts before all positions are known.
 * @throws Error if an offset may still change, a partition no longer exists, or another assignment has followed
 */
export async function planStarts(partitions: readonly number[], parts: PlanningParts): Promise<StartPlan[]> {
  const { admin, progress } = parts;
  const { topic, groupId } = parts.settings;
  // Fenced before the offsets are read: a transaction of another process is then either included, or aborted.
  await parts.committer?.fence(partitions);
  const [groupOffsets, bounds] = await Promise.all([
    admin.fetchOffsets({ groupId, topics: [topic] }),
    admin.fetchTopicOffsets(topic),
  ]);
  const committed = (groupOffsets[0]?.partitions ?? []).filter((one) => partitions.includes(one.partition));
  if (committed.some(({ offset }) => offset === unstableOffset))
    throw new Error('a transaction of the previous owner is not finished yet');
  return runConcurrently(partitions, restoredAtOnce, (partition) => {
    if (parts.isCurrent?.() === false) throw new Error('another assignment has followed');
    const bound = bounds.find((one) => one.partition === partition);
    if (bound === undefined) throw new Error(`topic "${topic}" no longer has partition ${partition}`);
    const offsets = {
      low: BigInt(bound.low),
      high: BigInt(bound.high),
      committed: BigInt(committed.find((one) => one.partition === partition)?.offset ?? -1n),
      known: progress.of(partition),
    };
    return planStart(partition, offsets, bounds.length, parts);
  });
}

async function planStart(
  partition: number,
  offsets: PartitionOffsets,
  partitions: number,
  { settings, restorePoints }: PlanningParts,
) {
  const { liveFrom, processedBefore, missing, restarted } = findStart(offsets, settings);
  const after =
    processedBefore && !restarted ? await restorePoints.restorePoint(partition, liveFrom) : undefined;
  const from = firstOffsetToRead(liveFrom, offsets.low, after, settings.warmUpRecords);
  const assignment: Assignment = { from, liveFrom, after, processedBefore, partitions };
  /**
   * Whether the group's offset must be committed before the first message. Then a group that starts at the latest offset keeps
   * its position if it stops before the first message, and a gap is counted once.
   */
  const mustCommit = liveFrom !== offsets.committed;
  return { partition, offsets, assignment, missing, restarted, mustCommit };
}
