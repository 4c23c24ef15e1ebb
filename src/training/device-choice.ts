/** Which devices of a large fleet a training learns from: as many as it has room for, each with all of its records that are read. */

export interface DeviceChoice {
  /** Counts a record; returns whether its device is chosen so far. */
  add(key: string): boolean;
  /**
   * Returns the devices that are no longer chosen, so that those left have at most `maxRecords` records. Takes time in proportion to
   * the devices, unless the records are less than `slack` above that.
   */
  fit(maxRecords: number, slack?: number): string[];
  /** Share of the records that were added whose devices are chosen, in [0, 1]. */
  readonly recordShare: number;
  /** Estimated share of the devices that are chosen, in [0, 1]. */
  readonly deviceShare: number;
}

interface Device {
  hash: number;
  /** Records counted so far. */
  records: number;
}

/**
 * Chooses the devices in the order of a hash of their keys, as far as their records fit. Keys and counts decide alone, and not the order
 * in which partitions are read. Nothing is kept of other devices, so that memory is bounded by the records that fit.
 * @param most a device with more records than this is not chosen, as it would leave no room for others
 */
export function createDeviceChoice(most: number): DeviceChoice {
  /** Records of a device that count for whether others fit. */
  const countedOf = ({ records }: Device): number => Math.min(records, Math.floor(most));
  const devices = new Map<string, Device>();
  let tooLarge: string[] = [];
  /** Devices are chosen whose hash is below this. */
  let bound = hashes;
  let [added, fitting] = [0, 0];

  return {
    add(key) {
      added++;
      let device = devices.get(key);
      if (device === undefined) {
        const hash = hashOf(key);
        if (hash >= bound) return false;
        devices.set(key, (device = { hash, records: 0 }));
      }
      device.records++;
      if (device.records <= most) fitting++;
      else if (device.records - 1 <= most) tooLarge.push(key);
      return device.records <= most;
    },
    fit(maxRecords, slack = 0) {
      const dropped = tooLarge;
      tooLarge = [];
      if (fitting <= maxRecords + slack) return dropped;
      const inOrder = [...devices].sort(([, a], [, b]) => a.hash - b.hash);
      // One that is too large keeps its place: whether others fit must not depend on when it became so.
      let sum = 0;
      bound = inOrder.find(([, device]) => (sum += countedOf(device)) > maxRecords)![1].hash;
      for (const [key, device] of inOrder) {
        if (device.hash < bound) continue;
        devices.delete(key);
        dropped.push(key);
        fitting -= countedOf(device);
      }
      return dropped;
    },
    get recordShare() {
      let chosen = 0;
      for (const { records } of devices.values()) if (records <= most) chosen += records;
      return added === 0 ? 1 : chosen / added;
    },
    get deviceShare() {
      return bound / hashes;
    },
  };
}

const hashes = 2 ** 32;

/** FNV-1a, finished as in MurmurHash3, since the keys of devices often differ in their last digits only. From 0 to 2³² − 1. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
