/** Files of a model version: tensors (safetensors), a graph (ONNX) and JSON; nothing in them executes. */

/** Files of a bundle by name, e.g. `weights.safetensors`, `calibration.json`. */
export type BundleFiles = ReadonlyMap<string, Uint8Array>;

/** manifest.json: lists the other files of the version with their checksums. */
export interface Manifest {
  /** Layout of the bundle; other layouts are refused. */
  schemaVersion: number;
  version: string;
  detector: string;
  /** ISO 8601. */
  createdAt: string;
  /** Versions of the packages that wrote the bundle, by package name. */
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
   * Writes a new version under a temporary name, syncs it, renames it into place, and moves the pointer. Readers never see an
   * incomplete version. Returns the name of the version.
   */
  publish(files: BundleFiles, writtenBy: Readonly<Record<string, string>>): Promise<string>;
  /** Name of the current version, if any was published. */
  current(): Promise<string | undefined>;
  /** Reads and verifies a version. Rejects with a ModelVersionError if a file is missing, altered or of another schema. */
  read(version: string): Promise<{ manifest: Manifest; files: BundleFiles }>;
  /** Makes an existing version the current one (a rollback, or the newest is damaged). */
  setCurrent(version: string): Promise<void>;
  /** Newest first. */
  list(): Promise<ModelVersionInfo[]>;
  /**
   * Deletes all versions except the newest `keep` and the current one, and temporary files of interrupted publications. Returns the
   * deleted versions.
   * @param newestSince also keeps versions that were the newest at this time (Unix ms) or later, at most 100 versions in all
   */
  prune(keep: number, newestSince?: number): Promise<string[]>;
}
