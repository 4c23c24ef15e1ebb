/** How the records of a device follow each other in time. */
import { rowsByDevice, type Devices } from './roles';

export interface Cadence {
  /** Median time between two records of a device, ms; NaN without times, or if each device has one record. */
  intervalMs: number;
  /** Whether nearly all records have this interval. */
  isRegular: boolean;
  /** A bound that nearly all pauses are below, ms. */
  usualPauseMs: number;
  /** Median number of records per device in one stretch of the source. */
  recordsPerDevice: number;
  /** Numbers of records with the time of the newest one of their device, and of older ones. */
  duplicates: number;
  outOfOrder: number;
  /** Share of the records that are older than an earlier record of any device. It is large for a file sorted by device. */
  backwards: number;
  /** First and last time, Unix ms; NaN without times. */
  from: number;
  to: number;
}

const regularShare = 0.8;
/** Largest deviation of a regular record, as a share of the interval. */
const jitter = 0.25;
const usualShare = 0.999;

/** @param blocks stretch of the source by record; records of a device in different stretches do not follow each other */
export function findCadence({ keys, times }: Devices, blocks?: readonly string[]): Cadence {
  const devices = rowsByDevice(blocks === undefined ? keys : keys.map((key, i) => `${blocks[i]!} ${key}`));
  const steps: number[] = [];
  let [duplicates, outOfOrder, from, to] = [0, 0, NaN, NaN];
  if (times !== undefined) {
    for (const device of devices) {
      let newest = NaN;
      for (const row of device) {
        const time = times[row]!;
        if (Number.isNaN(time)) continue;
        if (!(from <= time)) from = time;
        if (!(to >= time)) to = time;
        if (time === newest) duplicates++;
        else if (time < newest) outOfOrder++;
        else {
          if (!Number.isNaN(newest)) steps.push(time - newest);
          newest = time;
        }
      }
    }
  }
  let [newestOfAll, older] = [-Infinity, 0];
  for (const time of times ?? []) {
    if (time < newestOfAll) older++;
    else if (time > newestOfAll) newestOfAll = time;
  }
  steps.sort((a, b) => a - b);
  const intervalMs = quantile(steps, 0.5);
  const regular = steps.filter((step) => Math.abs(step - intervalMs) <= jitter * intervalMs).length;
  return {
    intervalMs,
    isRegular: steps.length > 0 && regular >= regularShare * steps.length,
    usualPauseMs: quantile(steps, usualShare),
    recordsPerDevice: quantile(
      devices.map(({ length }) => length).sort((a, b) => a - b),
      0.5,
    ),
    duplicates,
    outOfOrder,
    backwards: older / Math.max(1, keys.length),
    from,
    to,
  };
}

/** A quantile of sorted values; NaN without values. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}
