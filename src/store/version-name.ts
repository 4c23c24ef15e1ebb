/** Names of model versions: the UTC time of publication in milliseconds, so that names sort by time. */

const pattern = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})\.(\d{3})Z(-\d{3})?$/;

/** Maximum number of versions with the same millisecond in their name. */
export const maxVersionsPerMillisecond = 1000;

/**
 * A name such as `20260131T030000.123Z`; `-001`, `-002`, … distinguish versions of the same millisecond. `time` is Unix ms.
 */
export function formatVersion(time: number, ordinal: number): string {
  const name = new Date(time).toISOString().replace(/[-:]/g, '');
  return ordinal === 0 ? name : `${name}-${String(ordinal).padStart(3, '0')}`;
}

/** Whether a string is exactly a version name: no path, no `..`, no hidden file. */
export function isVersionName(name: string): boolean {
  return pattern.test(name);
}

/**
 * Time of publication of a version, ISO 8601.
 * @throws Error if the name is not a version name
 */
export function versionCreatedAt(version: string): string {
  if (!isVersionName(version)) throw new Error(`not the name of a model version: ${JSON.stringify(version)}`);
  return version.replace(pattern, '$1-$2-$3T$4:$5:$6.$7Z');
}
