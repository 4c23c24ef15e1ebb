/** Counts rejected records by reason, with an example of each. The counts explain why there is no model or no score. */
import type { Origin } from '../domain/record';
import type { RejectReason } from '../errors';

/** The settings that affect each reason; a reason without an entry depends on the records alone. */
const settingsOf: Readonly<Partial<Record<RejectReason, string>>> = {
  too_large: 'record.maxBytes',
  unknown_format: 'record.format',
  not_json: 'record.format',
  unknown_schema: 'source.kafka.registry',
  missing_key: 'fields.key',
  bad_key: 'fields.key',
  missing_timestamp: 'fields.timestamp',
  bad_timestamp: 'fields.timestamp, fields.timestampFormat',
  timestamp_in_future: 'record.maxAhead, fields.timestampFormat',
  missing_channel: 'record.channels, fields.values, record.missingChannels',
  unknown_channel: 'record.channels, record.extraChannels',
  missing_condition: 'fields.conditions, record.conditions',
  bad_condition: 'record.conditions',
  ambiguous_series: 'source.prometheus.keyLabels',
  missing_image: 'fields.image',
  not_base64: 'fields.image',
  not_an_image: 'record.image.format',
  wrong_image_size: 'record.image',
  too_many_pixels: 'record.image.maxPixels',
  duplicate: 'fields.key, record.duplicates',
  out_of_order: 'fields.key, fields.timestamp, record.outOfOrder',
};

/** Longest example in a text, characters. */
const exampleLength = 200;

/** The message of a rejected record, after its file if it is an image of a folder, else after `topic:partition:offset`, as `--offset` takes it. */
export function exampleOf(message: string, { file, topic, partition, offset }: Origin): string {
  return `${file ?? `${topic}:${partition}:${offset}`}: ${message}`;
}

export class Refusals {
  private readonly reasons = new Map<RejectReason, { count: number; example: string }>();
  /** Number of rejected records, of all reasons. */
  total = 0;

  /** @param example error message of such a record */
  add(reason: RejectReason, example: string, count = 1): void {
    if (count === 0) return;
    this.total += count;
    const known = this.reasons.get(reason);
    if (known === undefined) this.reasons.set(reason, { count, example: cut(example) });
    else known.count += count;
  }

  clear(): void {
    this.total = 0;
    this.reasons.clear();
  }

  /** Rejected records by reason, the most frequent first. */
  counts(): Partial<Record<RejectReason, number>> {
    return Object.fromEntries(this.sorted().map(([reason, { count }]) => [reason, count]));
  }

  /** One entry for each reason: `299 out_of_order (key "a" …; see record.outOfOrder)`. */
  describe(): string[] {
    return this.sorted().map(([reason, { count, example }]) => {
      const settings = settingsOf[reason];
      return `${count} ${reason} (${example}${settings === undefined ? '' : `; see ${settings}`})`;
    });
  }

  private sorted() {
    return [...this.reasons].sort(([, a], [, b]) => b.count - a.count);
  }
}

function cut(text: string): string {
  return text.length <= exampleLength ? text : `${text.slice(0, exampleLength)}…`;
}
