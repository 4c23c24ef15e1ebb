/** Checks whether the topic that is read exists, may be read, and has messages. */
import { didYouMean, nearest } from '../../../schema/suggest';
import { formatDuration } from '../../../schema/durations';
import { firstLineOf } from '../../../system/error-text';
import { count, durationText } from '../../wording';
import { ok, warning, wrong } from '../finding';
import type { Cluster } from './cluster';
import type { Reading } from './duties';

/** Maximum number of partitions from which a message is read. */
const maxProbes = 10;

/** @param now Unix ms */
export async function examineReadTopic(
  { admin, rights, topics, commands, report }: Cluster,
  { topic, historyMs, historyFrom }: Reading,
  now: number,
): Promise<{ partitions: number | undefined; isReadable: boolean }> {
  const subject = `topic ${topic}`;
  if (!topics.includes(topic)) {
    report(
      wrong(
        subject,
        `does not exist, or may not be described${didYouMean(nearest(topic, topics))}`,
        `correct source.kafka.topic, or ${commands.tool('topics', `--create --topic ${topic}`)}`,
      ),
    );
    return { partitions: undefined, isReadable: false };
  }
  const bounds = await admin.fetchTopicOffsets(topic);
  const partitions = bounds.length;
  const filled = bounds.filter(({ low, high }) => BigInt(high) > BigInt(low));
  const messages = filled.reduce((sum, { low, high }) => sum + Number(BigInt(high) - BigInt(low)), 0);
  const times: number[] = [];
  try {
    const probes = filled.length > 0 ? filled : bounds.slice(0, 1);
    for (const { partition, low } of probes.slice(0, maxProbes)) {
      const time = await rights.read(topic, partition, low);
      if (time !== undefined && time > 0) times.push(time);
    }
  } catch (error) {
    report(wrong(subject, `cannot be read: ${firstLineOf(error)}`, commands.acl('Read', `--topic ${topic}`)));
    return { partitions, isReadable: false };
  }
  if (messages === 0) {
    report(
      warning(
        subject,
        'has no messages: there is nothing to train on until some come',
        `see whether its producer writes: ${commands.tool('console-consumer', `--topic ${topic}`)}`,
      ),
    );
  } else {
    const age = times.length === 0 ? '' : `, the oldest of ${durationText(now - Math.min(...times))} ago`;
    report(
      ok(subject, `can be read: ${count(partitions, 'partition')}, ${count(messages, 'message')}${age}`),
    );
    const starts = historyFrom === '' ? await admin.fetchTopicOffsetsByTimestamp(topic, now - historyMs) : [];
    const isOld = starts.every(({ partition, offset }) => {
      const high = bounds.find((one) => one.partition === partition)?.high;
      return high === undefined || BigInt(offset) >= BigInt(high);
    });
    if (starts.length > 0 && isOld)
      report(
        warning(
          subject,
          `no message is of the last ${formatDuration(historyMs)} (training.history): there is nothing to train on until new ones come`,
          'increase training.history, or set training.historyFrom',
        ),
      );
  }
  return { partitions, isReadable: true };
}
