/**
 * Checks everything that a configuration depends on. It changes nothing, except that it creates missing topics if asked to.
 */
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DetectorSettings, Settings } from '../../config/settings';
import type { OpenSession } from '../../onnx/session';
import { firstLineOf } from '../../system/error-text';
import { ok, wrong, type Finding } from './finding';
import { examineKafka } from './kafka/kafka';
import { examineMemory } from './memory';
import { examinePast } from './past';
import { examineRecords } from './records';
import { examineServices } from './services';
import { examineStore, examineStored } from './store';

/** A finding about one detector, or about a dependency that all detectors share. */
export type DoctorFinding = Finding & { detector?: string };

export interface ExaminationOptions {
  settings: Settings;
  /** Undefined if tfjs scores. */
  openSession: OpenSession | undefined;
  createTopics: boolean;
  /** Unix ms. */
  now: () => number;
}

export async function examine({
  settings: { daemon, detectors },
  openSession,
  createTopics,
  now,
}: ExaminationOptions): Promise<DoctorFinding[]> {
  const findings: DoctorFinding[] = await examineStore(daemon);
  for (const { settings } of detectors) {
    const { detector } = settings;
    const kafka = await examineKafka(settings, { createTopics, now: now() });
    const own = [
      ...kafka.findings,
      ...(await examineServices(settings, now())),
      ...(await examineRecords(settings, now())),
      ...(await examineFiles(settings)),
      examineMemory(settings, kafka.partitions),
      ...(await examineStored({ settings, daemon, openSession })),
      ...(await examinePast(settings, daemon)),
    ];
    findings.push(...own.map((finding) => ({ ...finding, detector })));
  }
  return findings;
}

async function examineFiles({ sinks, training }: DetectorSettings): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { file: labels } = training.labels;
  if (labels !== '') findings.push(await examineFile('training.labels.file', labels));
  const { deadLetters } = sinks.file;
  if (deadLetters !== '') {
    const folder = dirname(deadLetters);
    const problem = await access(folder, constants.W_OK | constants.X_OK).then(
      () => undefined,
      (error: unknown) => firstLineOf(error),
    );
    findings.push(
      problem === undefined
        ? ok(`folder ${folder}`, 'can be written (sinks.file.deadLetters)')
        : wrong(`folder ${folder}`, problem, `mkdir -p ${folder}, or correct sinks.file.deadLetters`),
    );
  }
  return findings;
}

async function examineFile(key: string, path: string): Promise<Finding> {
  try {
    await access(path, constants.R_OK);
    return ok(`file ${path}`, `can be read (${key})`);
  } catch (error) {
    return wrong(`file ${path}`, firstLineOf(error), `correct ${key}`);
  }
}
