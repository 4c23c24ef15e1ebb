/**
 * Time of the last record of each device of a partition, and its usual interval. Time advances only with records: after a
 * silence of the whole partition, at most the shortest interval of a device counts, so that an outage of all makes no device
 * silent.
 */
import { RecencyMap, type DeviceLinks, type Listed } from './recency';

/** Gaps from which the interval of a device is known. */
const leastGaps = 20;

/** A device that has been silent for this many of its intervals no longer counts for the shortest one. */
const lostAfter = 10;

/** Least relative step of the estimated interval. */
const leastStep = 0.05;

export interface Device {
  /** Event time of its newest record, Unix ms. */
  time: number;
  /** Time of the roll call at the device's newest record, ms. */
  heardAt: number;
  /** Estimated median interval of its event times, ms; 0 before the second record. */
  interval: number;
  /** Number of gaps so far. */
  gaps: number;
  /** Set if a label undid the acceptance of the device's silence. */
  missed?: boolean;
}

export interface RollCallSnapshot {
  now: number;
  clock: number;
  leastInterval: number;
  nextUpdate: number;
  /** Devices in the order of their last record. */
  devices: readonly (readonly [key: string, device: Device])[];
}

export type RollCall = ReturnType<typeof createRollCall>;

interface Heard extends Device, Listed<Heard> {}

/** @param maxDevices with more devices, the one that was heard longest ago is forgotten */
export function createRollCall(maxDevices: number, beginning?: RollCallSnapshot) {
  const devices = new RecencyMap<Heard>();
  for (const [key, device] of beginning?.devices ?? []) add(key, device);
  /** Newest event time of any device. */
  let clock = beginning?.clock ?? -Infinity;
  /** Time of the roll call, ms. */
  let now = beginning?.now ?? 0;
  /** Shortest interval of a device, ms: at the last update, or a shorter one since. */
  let leastInterval = beginning?.leastInterval ?? Infinity;
  let nextUpdate = beginning?.nextUpdate ?? Infinity;

  function add(key: string, { time, heardAt, interval, gaps, missed = false }: Device): Heard {
    const links = { before: undefined, after: undefined, home: undefined };
    const device: Heard = { key, time, heardAt, interval, gaps, missed, ...links };
    devices.add(device);
    return device;
  }

  function forget(key: string): Device | undefined {
    const device = devices.get(key);
    if (device === undefined) return undefined;
    devices.delete(device);
    return stateOf(device);
  }

  const isKnown = ({ gaps }: Device): boolean => gaps >= leastGaps;
  const silenceOf = ({ heardAt, interval }: Device): number => (now - heardAt) / interval;

  function advance(timestamp: number): void {
    if (clock > -Infinity && timestamp > clock) now += Math.min(timestamp - clock, leastInterval);
    clock = Math.max(clock, timestamp);
    if (now >= nextUpdate) updateLeastInterval();
  }

  /** Takes time proportional to the number of devices. */
  function updateLeastInterval(): void {
    leastInterval = Infinity;
    for (let device = devices.oldest; device !== undefined; device = device.after)
      if (isKnown(device) && silenceOf(device) <= lostAfter)
        leastInterval = Math.min(leastInterval, device.interval);
    nextUpdate = now + lostAfter * leastInterval;
  }

  return {
    /**
     * Notes a record of the device. Returns the length of the gap before it in intervals of the device; undefined if the
     * interval is not known yet, or if the record is not newer than the newest one.
     * @param links keeps the item of the device
     */
    hear(key: string, timestamp: number, links?: DeviceLinks): number | undefined {
      advance(timestamp);
      const device = devices.get(key, links?.heard as Heard | undefined);
      if (device === undefined) {
        if (devices.size >= maxDevices && devices.oldest !== undefined) forget(devices.oldest.key);
        const added = add(key, { time: timestamp, heardAt: now, interval: 0, gaps: 0 });
        if (links !== undefined) links.heard = added;
        return undefined;
      }
      if (links !== undefined) links.heard = device;
      const interval = timestamp - device.time;
      if (interval <= 0) return undefined;
      devices.touch(device);
      const length = isKnown(device) ? (now - device.heardAt) / device.interval : undefined;
      device.missed = false;
      device.time = timestamp;
      device.heardAt = now;
      adapt(device, interval);
      if (isKnown(device) && device.interval < leastInterval) {
        leastInterval = device.interval;
        nextUpdate = Math.min(nextUpdate, now + lostAfter * leastInterval);
      }
      return length;
    },
    isKnown,
    /** Removes a device and returns it; undefined if there was none. */
    forget,
    /** Adds a device that was forgotten, unless it has sent a record since. */
    remember(key: string, device: Device): void {
      if (devices.get(key) !== undefined) return;
      if (devices.size >= maxDevices && devices.oldest !== undefined) forget(devices.oldest.key);
      add(key, { ...device, missed: true });
    },
    get: (key: string): Device | undefined => devices.get(key),
    /** How long a device has been silent, in its intervals. */
    silenceOf,
    /** The devices with a known interval. */
    known: (): (readonly [key: string, device: Device])[] =>
      [...devices].filter(isKnown).map((device) => [device.key, device]),
    /** Time of the roll call, ms. */
    get now() {
      return now;
    },
    snapshot: (): RollCallSnapshot => ({
      now,
      clock,
      leastInterval,
      nextUpdate,
      devices: [...devices].map((device) => [device.key, stateOf(device)]),
    }),
  };
}

function stateOf({ time, heardAt, interval, gaps, missed }: Device): Device {
  return { time, heardAt, interval, gaps, ...(missed === true && { missed }) };
}

/**
 * Follows the median by steps on a logarithmic scale (Robbins & Monro 1951): up after a longer gap, down after a shorter one.
 */
function adapt(device: Device, interval: number): void {
  device.gaps++;
  if (device.interval === 0) {
    device.interval = interval;
    return;
  }
  const step = Math.exp(Math.sign(interval - device.interval) * Math.max(leastStep, 1 / device.gaps));
  device.interval *= step;
}
