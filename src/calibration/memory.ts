/**
 * The memory that a model version keeps of each device: numbers in one array, its cells, of which each part of the memory has a stretch.
 * So a device costs little, and its state is saved and restored to the last bit.
 */

/** A part of the memory of a device. */
export interface Part {
  /** Number of cells. */
  readonly size: number;
  /** Sets the cells of a device, which are 0, to those of a device without records. */
  begin(cells: Float64Array, key: string): void;
}

/** Gives each part its stretch of the cells of a device. */
export function layOut<Name extends string>(parts: Readonly<Record<Name, Part>>) {
  const entries = Object.entries<Part>(parts) as [Name, Part][];
  const size = entries.reduce((sum, [, part]) => sum + part.size, 0);
  function views(cells: Float64Array): Record<Name, Float64Array> {
    let at = 0;
    return Object.fromEntries(
      entries.map(([name, part]) => [name, cells.subarray(at, (at += part.size))]),
    ) as Record<Name, Float64Array>;
  }
  return {
    size,
    views,
    begin(cells: Float64Array, key: string): Record<Name, Float64Array> {
      const all = views(cells);
      for (const [name, part] of entries) part.begin(all[name], key);
      return all;
    },
  };
}

export interface MemoryPolicy {
  /** Largest number of devices; the least recently seen is dropped. */
  maxKeys: number;
}

/** The least recently seen device comes first. */
export interface MemorySnapshot {
  keys: readonly string[];
  /** Shape [keys, size]. */
  cells: Float64Array;
}

export type Memories<Device> = ReturnType<typeof createMemories<Device>>;

/**
 * @param size cells of a device
 * @param create the device over its cells; `isNew`: they are 0
 * @throws RangeError if a snapshot is of another size
 */
export function createMemories<Device>(
  size: number,
  create: (cells: Float64Array, key: string, isNew: boolean) => Device,
  { maxKeys }: MemoryPolicy,
  snapshot: MemorySnapshot = { keys: [], cells: new Float64Array() },
) {
  const devices = new Map<string, { cells: Float64Array; device: Device }>();
  if (snapshot.cells.length !== snapshot.keys.length * size)
    throw new RangeError('the memory of the devices has another size');
  snapshot.keys.forEach((key, k) => {
    if (k < snapshot.keys.length - maxKeys) return;
    const cells = snapshot.cells.slice(k * size, (k + 1) * size);
    devices.set(key, { cells, device: create(cells, key, false) });
  });
  let latest: { key: string; device: Device } | undefined;
  return {
    of(key: string): Device {
      if (latest?.key === key) return latest.device;
      let entry = devices.get(key);
      if (entry === undefined) {
        const cells = new Float64Array(size);
        entry = { cells, device: create(cells, key, true) };
        if (devices.size >= maxKeys) devices.delete(devices.keys().next().value!);
      } else devices.delete(key);
      devices.set(key, entry);
      latest = { key, device: entry.device };
      return entry.device;
    },
    /** Does not make the device the most recently seen one. */
    peek: (key: string): Device | undefined => devices.get(key)?.device,
    get size() {
      return devices.size;
    },
    /** Of one device; undefined if it is not known. */
    snapshotOf(key: string): MemorySnapshot | undefined {
      const entry = devices.get(key);
      return entry && { keys: [key], cells: entry.cells.slice() };
    },
    snapshot(): MemorySnapshot {
      const cells = new Float64Array(devices.size * size);
      let at = 0;
      for (const entry of devices.values()) {
        cells.set(entry.cells, at);
        at += size;
      }
      return { keys: [...devices.keys()], cells };
    },
  };
}
