/** Positions of the records of each device in a history that has device after device, each in order of time. */

/** Positions [from, to). */
export interface Device {
  key: string;
  from: number;
  to: number;
}

/**
 * Positions of the records of each device in a part of the history.
 * @param devices each ends before position `to`
 * @param part positions, ascending
 */
export function devicesIn(devices: readonly Pick<Device, 'key' | 'to'>[], part: Int32Array): Device[] {
  let place = 0;
  return devices.map(({ key, to }) => {
    const from = place;
    while (place < part.length && part[place]! < to) place++;
    return { key, from, to: place };
  });
}

/** Rows of `values`, shape [all, width], at these positions. */
export function take(values: Float64Array, places: Int32Array, width = 1): Float64Array {
  const taken = new Float64Array(places.length * width);
  places.forEach((place, i) => taken.set(values.subarray(place * width, (place + 1) * width), i * width));
  return taken;
}
