/** Checks whether the topic keeps records for as long as trainings need them. */
import type { Admin } from 'kafkajs';
import { formatDuration } from '../../../schema/durations';
import { firstLineOf } from '../../../system/error-text';
import { durationText } from '../../wording';
import { ok, warning } from '../finding';
import type { Cluster } from './cluster';
import type { Reading } from './duties';

export async function examineRetention(
  { admin, commands, report }: Cluster,
  { topic, historyMs, historyFrom }: Reading,
): Promise<void> {
  const subject = `retention of ${topic}`;
  const config = await configOf(admin, topic).catch((error: unknown) => firstLineOf(error));
  if (typeof config === 'string') {
    report(warning(subject, `unknown: ${config}`, commands.acl('DescribeConfigs', `--topic ${topic}`)));
    return;
  }
  const { retentionMs, policy } = config;
  const kept = `records are kept ${retentionMs < 0 ? 'for ever' : `for ${durationText(retentionMs)}`}`;
  if (historyFrom !== '') {
    report(ok(subject, `${kept}; trainings read ${historyFrom} in addition`));
    return;
  }
  const comparison = `${kept}, and trainings ask for ${formatDuration(historyMs)} (training.history)`;
  const alter = (setting: string): string =>
    commands.tool('configs', `--alter --entity-type topics --entity-name ${topic} --add-config ${setting}`);
  if (policy.includes('compact'))
    report(
      warning(
        subject,
        `the topic is compacted (cleanup.policy=${policy}): older records of a device are deleted, so trainings find little history`,
        `${alter('cleanup.policy=delete')}, or set training.historyFrom`,
      ),
    );
  else if (retentionMs >= 0 && retentionMs < historyMs)
    report(
      warning(subject, comparison, `${alter(`retention.ms=${historyMs}`)}, or set training.historyFrom`),
    );
  else report(ok(subject, comparison));
}

async function configOf(admin: Admin, topic: string): Promise<{ retentionMs: number; policy: string }> {
  const { ConfigResourceTypes } = await import('kafkajs');
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [
      { type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms', 'cleanup.policy'] },
    ],
  });
  const entries = resources[0]?.configEntries ?? [];
  const valueOf = (name: string) => entries.find(({ configName }) => configName === name)?.configValue ?? '';
  return { retentionMs: Number(valueOf('retention.ms')), policy: valueOf('cleanup.policy') };
}
