/** Differences of two configurations, and those among them that a running process can apply. */
import { isDeepStrictEqual } from 'node:util';
import type { ConfigProblem } from '../errors';
import { isKey, nodesInUse, settingName, type Section } from '../schema/key';
import { daemonSchema } from './daemon';
import { detectorRules, detectorSchema } from './detector';
import type { Settings } from './settings';

export interface Changes {
  /** Settings for the running process. Keys that need a restart have their earlier values. */
  settings: Settings;
  /** Keys that differ and are applied, with their detector: `pump: events.budget`, or `log.level`. */
  applied: readonly string[];
  /** Keys that differ and need a restart; for a detector that was added or removed, its name without a key. */
  restart: readonly string[];
}

interface Merged {
  settings: Record<string, unknown>;
  applied: string[];
  restart: string[];
}

type Values = Readonly<Record<string, unknown>>;

/** @throws Error if the new values of other keys cannot be combined with the earlier values of keys that need a restart */
export function compareSettings(before: Settings, after: Settings): Changes {
  const daemon = merge(daemonSchema, { ...before.daemon }, { ...after.daemon });
  const applied = [...daemon.applied];
  const restart = [...daemon.restart];
  const nameOf = ({ settings }: Settings['detectors'][number]): string => settings.detector;
  const detectors = before.detectors.map((one) => {
    const name = nameOf(one);
    const other = after.detectors.find((next) => nameOf(next) === name);
    if (other === undefined) {
      restart.push(`${name}: the detector is gone`);
      return one;
    }
    const merged = merge(detectorSchema, { ...one.settings }, { ...other.settings });
    applied.push(...merged.applied.map((key) => `${name}: ${key}`));
    restart.push(...merged.restart.map((key) => `${name}: ${key}`));
    const settings = merged.settings as unknown as typeof one.settings;
    const problems = problemsOf(other.file, settings);
    if (problems.length > 0)
      throw new Error(
        `${problems.map(({ key, message }) => `${name}: ${key} ${message}`).join('; ')}, together with the values in force of ` +
          `keys that need a restart: ${merged.restart.join(', ')}`,
      );
    return { file: other.file, settings };
  });
  const isKnown = (name: string): boolean => before.detectors.some((one) => nameOf(one) === name);
  for (const one of after.detectors)
    if (!isKnown(nameOf(one))) restart.push(`${nameOf(one)}: the detector is new`);
  return {
    settings: { daemon: daemon.settings as unknown as Settings['daemon'], detectors },
    applied,
    restart,
  };
}

function problemsOf(file: string, settings: Settings['detectors'][number]['settings']): ConfigProblem[] {
  return detectorRules.flatMap((rule) => {
    const message = rule.problem(settings);
    return message === undefined ? [] : [{ file, key: rule.keys[0] ?? '', message }];
  });
}

function merge(section: Section, before: Values, after: Values, prefix = ''): Merged {
  const merged: Merged = { settings: { ...before }, applied: [], restart: [] };
  for (const [name, node] of nodesInUse(section, (word) => before[word])) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (!isKey(node)) {
      // If another variant is in use now, its `kind` differs, which is reported.
      if (after[name] === undefined) continue;
      const inner = merge(node, before[name] as Values, after[name] as Values, key);
      merged.settings[name] = inner.settings;
      merged.applied.push(...inner.applied);
      merged.restart.push(...inner.restart);
      continue;
    }
    const setting = settingName(name, node);
    const [old, next] = [before[setting], after[setting]];
    if (isDeepStrictEqual(old, next)) continue;
    if (node.reloads?.(old, next) === true) {
      merged.settings[setting] = next;
      merged.applied.push(key);
    } else merged.restart.push(key);
  }
  return merged;
}
