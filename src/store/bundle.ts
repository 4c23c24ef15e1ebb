/** What a model version consists of, as files: tensors (safetensors) and JSON only, nothing that executes. */

/** Files of a bundle by name, e.g. `weights.safetensors`, `calibration.json`. */
export type BundleFiles = ReadonlyMap<string, Uint8Array>;

/** manifest.json: names every other file of the version with its checksum. */
export interface Manifest {
  /** Layout of the bundle; a reader refuses what it does not know. */
  schemaVersion: number;
  version: string;
  detector: string;
  /** ISO 8601. */
  createdAt: string;
  /** Library versions that wrote it, by package name. */
  writtenBy: Readonly<Record<string, string>>;
  files: Readonly<Record<string, { bytes: number; sha256: string }>>;
}

export interface ModelVersionInfo {
  version: string;
  createdAt: string;
  current: boolean;
}

/** Immutable model versions of one detector, with a pointer to the current one. */
export interface ModelStore {
  /**
   * Writes a new version beside, syncs it and renames it into place, then moves the pointer.
   * Nothing is visible before it is complete. Returns the version's name.
   */
  publish(files: BundleFiles, writtenBy: Readonly<Record<string, string>>): Promise<string>;
  /** Name of the current version, or undefined when nothing has been published yet. */
  current(): Promise<string | undefined>;
  /** Reads and verifies one version. Throws ModelVersionError when a file is missing, altered or of another schema. */
  read(version: string): Promise<{ manifest: Manifest; files: BundleFiles }>;
  /** Points `current` at an existing version (after a rollback, or when the newest is damaged). */
  setCurrent(version: string): Promise<void>;
  /** Newest first. */
  list(): Promise<ModelVersionInfo[]>;
  /**
   * Deletes all but the newest `keep` versions; never the current one. Also what an interrupted publish left.
   * @param newestSince keeps those, too, that were the newest at this time (Unix ms) or later, a hundred in all
   */
  prune(keep: number, newestSince?: number): Promise<string[]>;
}
