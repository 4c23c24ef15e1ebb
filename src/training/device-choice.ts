/** Chooses the devices of a large fleet that a training uses: as many as fit, each with all of its records that are read. */

export interface DeviceChoice {
  /** Counts a record; returns whether its device is chosen at present. */
  add(key: string): boolean;
  /**
   * Removes devices until those that remain have at most `maxRecords` records, and returns the removed ones. Takes time
   * proportional to the number of devices, unless the records exceed the limit by less than `slack`.
   */
  fit(maxRecords: number, slack?: number): string[];
  /** Share of the added records whose devices are chosen, in [0, 1]. */
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
 * Chooses the devices in the order of a hash of their keys, until their records no longer fit. The choice depends only on keys
 * and counts, not on the order in which partitions are read. Nothing is stored about other devices, so memory is bounded by the
 * records that fit.
 * @param most a device with more records than this is not chosen, as it would leave no room for others
 */
export function createDeviceChoice(most: number): DeviceChoice {
  /** Number of records of a device that count towards the limit. */
  const countedOf = ({ records }: Device): number => Math.min(records, Math.floor(most));
  const devices = new Map<string, Device>();
  let tooLarge: string[] = [];
  /** Devices whose hash is below this are chosen. */
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
      // A device that is too large keeps its place, so that the choice of others does not depend on when it became too large.
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

/**
 * FNV-1a with the finaliser of MurmurHash3, as the keys of devices often differ only in their last digits. From 0 to 2³² − 1.
 */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
