/** A few devices, from all over the batches: neighbours may be of one kind, and each batch may have the same order. */
import type { DecodedMessages } from '../pipeline/windowing';

/** A batch gives at most this share of the devices, so that they come from several batches. */
const devicesPerBatch = 0.25;
/** Its multiples, modulo 1, are spread evenly. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

export class ShadowDevices {
  private chosen = new Set<string>();
  /** In [0, 1): where in a batch the last device was found. */
  private place = 0;

  constructor(private readonly most: number) {}

  get keys(): ReadonlySet<string> {
    return this.chosen;
  }

  /** Adds devices of a batch while there are too few. */
  choose({ records, rows }: DecodedMessages): void {
    const wanted = Math.min(Math.ceil(devicesPerBatch * this.most), this.most - this.chosen.size);
    for (let i = 0; i < wanted; i++) {
      this.place = (this.place + goldenRatio) % 1;
      const row = rows[Math.floor(this.place * rows.length)];
      if (typeof row === 'number') this.chosen.add(records.keys[row]!);
    }
  }

  /** The records of these devices in a batch, without those of a warm-up; undefined if it has none. */
  recordsOf({ messages, records, rows }: DecodedMessages): DecodedMessages | undefined {
    const own = rows.flatMap((row, i) =>
      typeof row === 'number' && !messages[i]!.warmUp && this.chosen.has(records.keys[row]!) ? [i] : [],
    );
    if (own.length === 0) return undefined;
    return { messages: own.map((i) => messages[i]!), records, rows: own.map((i) => rows[i]!) };
  }

  /** Others are chosen from now on. */
  clear(): void {
    this.chosen = new Set();
  }
}
