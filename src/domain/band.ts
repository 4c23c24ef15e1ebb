/** How far the values of normal records lie from what the model expects. */

/** Fewest normal records from which a band is computed. */
export const fewestForBand = 20;

/** Half the width of a band, in root mean squares of the errors. */
export const bandWidth = 3;

/** Number of records over which a running band averages. */
const memory = 1000;

/** The bands of the channels of one device, over its records so far. */
export class RunningBand {
  private readonly squares: Float64Array;
  private readonly counts: Uint32Array;

  constructor(channels: number) {
    this.squares = new Float64Array(channels);
    this.counts = new Uint32Array(channels);
  }

  /** Three root mean squares of the errors, in the unit of the channel; NaN with fewer than 20 errors. */
  halfWidth(channel: number): number {
    return this.counts[channel]! < fewestForBand ? NaN : bandWidth * Math.sqrt(this.squares[channel]!);
  }

  /** @param error of a normal record; NaN = no value */
  add(channel: number, error: number): void {
    if (!Number.isFinite(error)) return;
    const count = Math.min(memory, this.counts[channel]! + 1);
    this.counts[channel] = count;
    this.squares[channel]! += (error ** 2 - this.squares[channel]!) / count;
  }
}
