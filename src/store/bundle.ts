/**
 * The files of a model version: tensors (safetensors), a graph (ONNX), JSON, and the manifest that lists them. None of them
 * contains executable code.
 */
import { createHash } from 'node:crypto';
import { ModelVersionError } from '../errors';
import { isObject } from '../system/json';

/** Files of a bundle by name, e.g. `weights.safetensors`, `calibration.json`. */
export type BundleFiles = ReadonlyMap<string, Uint8Array>;

/** manifest.json: lists the other files of the version with their checksums. */
export interface Manifest {
  /** Layout of the bundle; other layouts are rejected. */
  schemaVersion: number;
  version: string;
  detector: string;
  /** Time of creation, ISO 8601. */
  createdAt: string;
  /** Versions of the packages that wrote the bundle, by package name. */
  writtenBy: Readonly<Record<string, string>>;
  files: Readonly<Record<string, { bytes: number; sha256: string }>>;
}

/** Layout of the bundles that this version writes, and the only one that it reads. */
export const bundleSchemaVersion = 4;

/** Name of the file that lists the others. */
export const manifestName = 'manifest.json';

/** Maximum size of a manifest, bytes. */
export const maxManifestBytes = 1024 * 1024;

const fileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const sha256Hex = /^[0-9a-f]{64}$/;

/** Whether this is a valid name for a file of a bundle: letters, digits, `.`, `_`, `-`; no path, not the manifest itself. */
export function isBundleFileName(name: string): boolean {
  return fileName.test(name) && name !== manifestName;
}

/** SHA-256 in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The entries of the manifest for the files of a bundle. */
export function describeFiles(files: BundleFiles): Manifest['files'] {
  return Object.fromEntries(
    [...files].map(([name, bytes]) => [name, { bytes: bytes.byteLength, sha256: sha256(bytes) }]),
  );
}

/**
 * Parses and validates the manifest of a version.
 * @throws ModelVersionError (`unreadable`, `schema`)
 */
export function parseManifest(version: string, detector: string, bytes: Uint8Array): Manifest {
  const unreadable = (message: string, options?: ErrorOptions) =>
    new ModelVersionError(version, 'unreadable', `${manifestName} ${message}`, options);

  let manifest: unknown;
  try {
    manifest = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unreadable('is not JSON', { cause });
  }
  if (!isObject(manifest)) throw unreadable('is not a JSON object');
  // The schema is checked first, because the meaning of the other keys depends on it.
  checkSchema(version, manifest['schemaVersion']);
  if (typeof manifest['createdAt'] !== 'string') throw unreadable('has no createdAt');
  if (!isObject(manifest['writtenBy'])) throw unreadable('has no writtenBy');
  if (!isObject(manifest['files'])) throw unreadable('has no list of files');
  for (const [name, entry] of Object.entries(manifest['files'])) {
    if (!isBundleFileName(name))
      throw unreadable(`lists a file with an invalid name: ${JSON.stringify(name)}`);
    if (!isFileEntry(entry)) throw unreadable(`has no bytes or sha256 of ${name}`);
  }
  if (manifest['version'] !== version)
    throw unreadable(`belongs to version ${String(manifest['version'])}; the folder was renamed or copied`);
  if (manifest['detector'] !== detector)
    throw unreadable(`belongs to detector ${String(manifest['detector'])}, not to ${detector}`);
  return manifest as unknown as Manifest;
}

function checkSchema(version: string, schema: unknown): void {
  if (schema === bundleSchemaVersion) return;
  const known = `this version of vaemon reads ${bundleSchemaVersion}`;
  if (typeof schema !== 'number')
    throw new ModelVersionError(version, 'schema', `it has no schema version, and ${known}; train again`);
  throw new ModelVersionError(
    version,
    'schema',
    schema < bundleSchemaVersion
      ? `it has the older schema ${schema}, and ${known}; train again`
      : `it has the newer schema ${schema}, and ${known}; upgrade vaemon, or go back to an older model version`,
  );
}

function isFileEntry(entry: unknown): boolean {
  return (
    isObject(entry) &&
    Number.isSafeInteger(entry['bytes']) &&
    typeof entry['sha256'] === 'string' &&
    sha256Hex.test(entry['sha256'])
  );
}
