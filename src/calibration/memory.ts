/**
 * The memory that a model version keeps of each device: numbers in one array, the cells, of which each part of the memory has a
 * range. So a device costs little, and its state is saved and restored bit for bit.
 */
import { RecencyMap, type DeviceLinks, type Listed } from '../domain/recency';

/** A part of the memory of a device, with its range of the cells. */
export interface Part {
  /** Number of cells. */
  readonly size: number;
  /** Sets the cells of a device without records; they are 0 before. */
  begin(cells: Float64Array, key: string): void;
}

/** Assigns each part its range of the cells, one after the other. */
export function createLayout() {
  const parts: Part[] = [];
  let size = 0;
  return {
    /** @param create creates a part, given its first cell */
    place<P extends Part>(create: (at: number) => P): P {
      const part = create(size);
      size += part.size;
      parts.push(part);
      return part;
    },
    begin(cells: Float64Array, key: string): void {
      for (const part of parts) part.begin(cells, key);
    },
    /** Number of cells of a device. */
    get size() {
      return size;
    },
  };
}

export interface MemoryPolicy {
  /** Maximum number of devices; the least recently seen one is dropped. */
  maxKeys: number;
}

/** A snapshot of the memory, the least recently seen device first. */
export interface MemorySnapshot {
  keys: readonly string[];
  /** Shape [keys, size]. */
  cells: Float64Array;
}

interface Entry<Device> extends Listed<Entry<Device>> {
  readonly cells: Float64Array;
  readonly device: Device;
}

export type Memories<Device> = ReturnType<typeof createMemories<Device>>;

/**
 * @param size cells per device
 * @param create creates the device on its cells; `isNew`: the cells are 0
 * @throws RangeError if the snapshot has another size
 */
export function createMemories<Device>(
  size: number,
  create: (cells: Float64Array, key: string, isNew: boolean) => Device,
  { maxKeys }: MemoryPolicy,
  snapshot: MemorySnapshot = { keys: [], cells: new Float64Array() },
) {
  const entries = new RecencyMap<Entry<Device>>();
  if (snapshot.cells.length !== snapshot.keys.length * size)
    throw new RangeError('the stored memory of devices has another size than the version needs');
  // No function below may refer to the snapshot: it would stay in memory as long as the memories exist.
  const { keys, cells } = snapshot;
  for (let k = Math.max(0, keys.length - maxKeys); k < keys.length; k++)
    add(keys[k]!, cells.slice(k * size, (k + 1) * size), false);

  function add(key: string, cells: Float64Array, isNew: boolean): Entry<Device> {
    const device = create(cells, key, isNew);
    const entry = { key, cells, device, before: undefined, after: undefined, home: undefined };
    entries.add(entry);
    return entry;
  }

  return {
    /** @param links keeps the item of the device */
    of(key: string, links?: DeviceLinks): Device {
      let entry = entries.get(key, links?.memory as Entry<Device> | undefined);
      if (entry !== undefined) entries.touch(entry);
      else {
        const { oldest } = entries;
        if (entries.size >= maxKeys && oldest !== undefined) entries.delete(oldest);
        entry = add(key, new Float64Array(size), true);
      }
      if (links !== undefined) links.memory = entry;
      return entry.device;
    },
    /** As `of`, but does not mark the device as the most recently seen one. */
    peek: (key: string): Device | undefined => entries.get(key)?.device,
    get size() {
      return entries.size;
    },
    /** The snapshot of one device; undefined if it is not known. */
    snapshotOf(key: string): MemorySnapshot | undefined {
      const entry = entries.get(key);
      return entry && { keys: [key], cells: entry.cells.slice() };
    },
    snapshot(): MemorySnapshot {
      const cells = new Float64Array(entries.size * size);
      const keys: string[] = [];
      for (const entry of entries) {
        cells.set(entry.cells, keys.length * size);
        keys.push(entry.key);
      }
      return { keys, cells };
    },
  };
}
