/** Stored data about the past of a detector: events with their labels, and mutes. */
import type { DaemonSettings, DetectorSettings } from '../../config/settings';
import { createEventFiles, eventFolder } from '../../past/event-files';
import { openMutes } from '../../past/mutes';
import { firstLineOf } from '../../system/error-text';
import { ok, warning, type Finding } from './finding';

export async function examinePast(
  { detector }: DetectorSettings,
  { store: { path } }: DaemonSettings,
): Promise<Finding[]> {
  return [...(await examineEvents(eventFolder(path, detector))), ...(await examineMutes(path, detector))];
}

async function examineEvents(folder: string): Promise<Finding[]> {
  const problems: string[] = [];
  try {
    const events = await createEventFiles(folder).readAll((error) => problems.push(firstLineOf(error)));
    const labels = events.filter(({ label }) => label !== undefined).length;
    const findings = [ok('events', `${events.length} past ones are read, ${labels} with a label`)];
    if (problems.length === 0) return events.length === 0 ? [] : findings;
  } catch (error) {
    problems.push(firstLineOf(error));
  }
  return [
    warning(
      'events',
      `${problems.length} of the past cannot be read, and neither the page nor the API shows them: ${problems[0]!}`,
      `restore the files in ${folder}, or remove them; trainings do not read them`,
    ),
  ];
}

async function examineMutes(directory: string, detector: string): Promise<Finding[]> {
  const problems: string[] = [];
  const log = {
    error: (_: string, { reason }: Record<string, unknown>) => problems.push(String(reason)),
  };
  const mutes = await openMutes({ directory, detector, now: Date.now, reported: () => undefined, log });
  const read = mutes.list().length;
  return [
    ...(read === 0 ? [] : [ok('mutes', `${read} can be read`)]),
    ...problems.map((problem) =>
      warning(
        'mutes',
        `some cannot be read and are not in force, so that their devices raise alarms: ${problem}`,
        'restore the files, or remove them and mute again',
      ),
    ),
  ];
}
