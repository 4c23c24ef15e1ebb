/** Start offsets of newly assigned partitions. */
import type { TopicAdmin } from '../../kafka/admin';
import { unstableOffset } from '../../kafka/patches/stable-offsets';
import type { Assignment, OffsetCommitter, RestorePoints } from '../source';
import { findStart, firstOffsetToRead, type PartitionOffsets, type StartPosition } from './offsets';
import type { TopicProgress } from './progress';
import type { KafkaSourceSettings } from './settings';

/** Where one partition starts. */
export interface StartPlan extends Pick<StartPosition, 'missing' | 'restarted'> {
  partition: number;
  offsets: PartitionOffsets;
  assignment: Assignment;
  /**
   * Whether the group's offset has to be committed before the first message, so that a group that starts at the latest offset
   * keeps its position if it stops before the first message, and a gap is counted once.
   */
  mustCommit: boolean;
}

export interface PlanningParts {
  admin: Pick<TopicAdmin, 'fetchOffsets' | 'fetchTopicOffsets'>;
  settings: Pick<KafkaSourceSettings, 'topic' | 'groupId' | 'startFrom' | 'warmUpRecords'>;
  progress: TopicProgress;
  restorePoints: RestorePoints;
  committer: OffsetCommitter | undefined;
}

/** Plans all partitions of an assignment, so that none starts before all are known. */
export async function planStarts(partitions: readonly number[], parts: PlanningParts): Promise<StartPlan[]> {
  // Before the offsets are read: a transaction of another process is then either included, or aborted for good.
  await parts.committer?.fence(partitions);
  const offsets = await fetchOffsets(partitions, parts);
  return Promise.all(partitions.map((partition) => planStart(partition, offsets(partition), parts)));
}

/** @throws Error if an offset may still change, or a partition no longer exists */
async function fetchOffsets(
  partitions: readonly number[],
  { admin, settings: { topic, groupId }, progress }: PlanningParts,
): Promise<(partition: number) => PartitionOffsets> {
  const [groupOffsets, bounds] = await Promise.all([
    admin.fetchOffsets({ groupId, topics: [topic] }),
    admin.fetchTopicOffsets(topic),
  ]);
  const committed = (groupOffsets[0]?.partitions ?? []).filter((one) => partitions.includes(one.partition));
  if (committed.some(({ offset }) => offset === unstableOffset))
    throw new Error('a transaction of the previous owner is not finished yet');
  return (partition) => {
    const bound = bounds.find((one) => one.partition === partition);
    if (bound === undefined) throw new Error(`topic "${topic}" no longer has partition ${partition}`);
    return {
      low: BigInt(bound.low),
      high: BigInt(bound.high),
      committed: BigInt(committed.find((one) => one.partition === partition)?.offset ?? -1n),
      known: progress.of(partition),
    };
  };
}

async function planStart(
  partition: number,
  offsets: PartitionOffsets,
  { settings, restorePoints }: PlanningParts,
): Promise<StartPlan> {
  const { liveFrom, processedBefore, missing, restarted } = findStart(offsets, settings);
  const after =
    processedBefore && !restarted ? await restorePoints.restorePoint(partition, liveFrom) : undefined;
  const from = firstOffsetToRead(liveFrom, offsets.low, after, settings.warmUpRecords);
  return {
    partition,
    offsets,
    assignment: { from, liveFrom, after, processedBefore },
    missing,
    restarted,
    mustCommit: liveFrom !== offsets.committed,
  };
}
