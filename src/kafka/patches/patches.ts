/** All patches of kafkajs. They are applied when a client is first needed, before kafkajs connects. */
import { abortedTransactionsPatch } from './aborted-transactions';
import { connectionPatch } from './connection';
import { installedKafkajs, kafkajsVersion, type KafkajsInternals } from './installed';
import { outOfRangePatch } from './out-of-range';
import type { Patch } from './patch';
import { recordBatchPatch } from './record-batch';
import { requestQueuePatch } from './request-queue';
import { seedBrokerPatch } from './seed-broker';
import { stableOffsetsPatch } from './stable-offsets';

export const patches: readonly Patch[] = [
  stableOffsetsPatch,
  outOfRangePatch,
  requestQueuePatch,
  recordBatchPatch,
  abortedTransactionsPatch,
  connectionPatch,
  seedBrokerPatch,
];

/** Applies every patch that fits; returns those that do not. A second call has no effect. */
export function applyPatches(
  kafkajs: KafkajsInternals = installedKafkajs,
  all: readonly Patch[] = patches,
): readonly Patch[] {
  return all.filter((patch) => {
    try {
      return !patch.apply(kafkajs);
    } catch {
      return true;
    }
  });
}

export interface PatchReport {
  /** Whether a detector guarantees exactly-once delivery. */
  exactlyOnce: boolean;
  log: Readonly<Record<'info' | 'warn', (message: string, fields: Record<string, unknown>) => void>>;
  kafkajs?: KafkajsInternals;
}

/**
 * Logs which patches apply to the installed kafkajs.
 * @throws Error if a patch does not apply on which the guaranteed delivery depends
 */
export function reportPatches({ exactlyOnce, log, kafkajs }: PatchReport): void {
  const version = kafkajsVersion();
  const missing = applyPatches(kafkajs);
  const applied = patches.filter((patch) => !missing.includes(patch)).map(({ name }) => name);
  log.info('kafkajs patches applied', { kafkajs: version, patches: applied });
  const isNeeded = ({ neededFor }: Patch): boolean =>
    neededFor === 'offsets' || neededFor === 'safety' || (neededFor === 'exactly-once' && exactlyOnce);
  for (const { name, without } of missing.filter((patch) => !isNeeded(patch)))
    log.warn('kafkajs patch does not apply', { kafkajs: version, patch: name, without });
  const fatal = missing.filter(isNeeded);
  if (fatal.length === 0) return;
  const list = fatal.map(({ name, without }) => `"${name}" (without it: ${without})`).join(', ');
  throw new Error(
    `kafkajs ${version} is not supported: required patches do not apply: ${list}; install kafkajs ${testedVersion}`,
  );
}

/** Version of kafkajs that the patches are written for. */
export const testedVersion = '2.2.4';
