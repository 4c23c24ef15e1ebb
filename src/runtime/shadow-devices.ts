/**
 * A few devices for the shadow, taken from different places of the batches: neighbours may be of one kind, and each batch may
 * have the same order.
 */
import type { DecodedMessages } from '../pipeline/windowing';

/** At most this share of the devices is taken from one batch, so that they come from several batches. */
const devicesPerBatch = 0.25;
/** Multiples of the golden ratio, modulo 1, are evenly spread. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

export class ShadowDevices {
  private chosen = new Set<string>();
  /** Relative place in a batch where the last device was found, in [0, 1). */
  private place = 0;

  constructor(private readonly most: number) {}

  get keys(): ReadonlySet<string> {
    return this.chosen;
  }

  /** Adds devices of a batch until there are enough. */
  choose({ records, rows }: DecodedMessages): void {
    const wanted = Math.min(Math.ceil(devicesPerBatch * this.most), this.most - this.chosen.size);
    for (let i = 0; i < wanted; i++) {
      this.place = (this.place + goldenRatio) % 1;
      const row = rows[Math.floor(this.place * rows.length)];
      if (typeof row === 'number') this.chosen.add(records.keys[row]!);
    }
  }

  /** The live records of the chosen devices in a batch; undefined if there are none. */
  recordsOf({ messages, records, rows }: DecodedMessages): DecodedMessages | undefined {
    const own = rows.flatMap((row, i) =>
      typeof row === 'number' && !messages[i]!.warmUp && this.chosen.has(records.keys[row]!) ? [i] : [],
    );
    if (own.length === 0) return undefined;
    return { messages: own.map((i) => messages[i]!), records, rows: own.map((i) => rows[i]!) };
  }

  /** Drops the devices, so that others are chosen. */
  clear(): void {
    this.chosen = new Set();
  }
}
