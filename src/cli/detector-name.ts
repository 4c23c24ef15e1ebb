/** Finds the detector of a command. */
import type { Settings } from '../config/settings';
import { ConfigError } from '../errors';

/**
 * The detector with this name, or without a name the only one. @throws ConfigError if there is no such detector, or if there
 * are several
 */
export function nameDetector({ detectors }: Settings, name: string | undefined): string {
  const all = detectors.map(({ settings: { detector } }) => detector);
  if (name === undefined && all.length === 1) return all[0]!;
  if (name !== undefined && all.includes(name)) return name;
  const names = all.join(', ');
  const message =
    name === undefined ? `name one of ${names}` : `there is no detector "${name}", only ${names}`;
  throw new ConfigError([{ file: '--detector', key: '', message }]);
}
