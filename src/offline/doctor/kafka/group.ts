/** Checks whether the consumer group may be used, whether others use it, and how far it lags the end of the topic. */
import type { GroupDescription } from 'kafkajs';
import { count } from '../../wording';
import { ok, warning, wrong, type Finding } from '../finding';
import type { Cluster } from './cluster';
import { quoted } from './commands';
import type { Reading } from './duties';

export async function examineGroup(
  { admin, rights, topics, commands, report }: Cluster,
  { groupId, topic }: Reading,
): Promise<void> {
  const subject = `group ${groupId}`;
  // Each training reads the history with a separate consumer group.
  const denied: string[] = [];
  for (const group of [groupId, `${groupId}-history-doctor`])
    if (!(await rights.canJoin(group))) denied.push(group);
  if (denied.length > 0) {
    report(
      wrong(
        subject,
        `may not be used: Read is missing for ${denied.includes(groupId) ? groupId : `${groupId}-history-…, which trainings use`}`,
        commands.acl('Read', `--group ${quoted(groupId)} --resource-pattern-type prefixed`),
      ),
    );
    if (denied.includes(groupId)) return;
  }
  const { groups } = await admin.describeGroups([groupId]);
  const foreign = await foreignTopics(groups[0], topic);
  if (foreign.length > 0)
    report(
      wrong(
        subject,
        `others in it read ${foreign.join(', ')}: all members of a group must read the same topics`,
        'set source.kafka.groupId to a name of its own',
      ),
    );
  const members = groups[0]?.members.length ?? 0;
  const who = members === 0 ? 'no process is in it' : `${members} members`;
  if (!topics.includes(topic)) {
    report(ok(subject, who));
    return;
  }
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const bounds = await admin.fetchTopicOffsets(topic);
  report(describeLag(subject, who, committed?.partitions ?? [], bounds));
}

/** Topics that members of the group have subscribed to, other than this one. */
async function foreignTopics(group: GroupDescription | undefined, topic: string): Promise<string[]> {
  const { AssignerProtocol } = await import('kafkajs');
  const topics = (group?.members ?? []).flatMap(
    ({ memberMetadata }) => AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? [],
  );
  return [...new Set(topics)].filter((one) => one !== topic);
}

function describeLag(
  subject: string,
  who: string,
  committed: readonly { partition: number; offset: string }[],
  bounds: readonly { partition: number; low: string; high: string }[],
): Finding {
  let [lag, lost, known] = [0n, 0n, 0];
  for (const { partition, low, high } of bounds) {
    const offset = BigInt(committed.find((one) => one.partition === partition)?.offset ?? -1);
    if (offset < 0n) continue;
    known++;
    lag += BigInt(high) > offset ? BigInt(high) - offset : 0n;
    lost += BigInt(low) > offset ? BigInt(low) - offset : 0n;
  }
  if (known === 0) return ok(subject, `${who}; it has no offsets yet, so source.kafka.startFrom decides`);
  if (lost > 0n)
    return warning(
      subject,
      `${who}; retention has deleted ${count(Number(lost), 'message')} that were not scored`,
      'run more scorers, or keep records longer',
    );
  return ok(subject, `${who}; ${count(Number(lag), 'message')} are not scored yet`);
}
