/**
 * Account of the history that a training has read: how many records, which were rejected and why, and how windows were cut.
 */
import type { DetectorSettings } from '../config/settings';
import type { Origin } from '../domain/record';
import { DecodeError, type RejectReason } from '../errors';
import type { Logger } from '../logger';
import { exampleOf, Refusals } from '../pipeline/refusals';
import { formatDuration } from '../schema/durations';
import { configuredSource } from '../sources/configured';
import type { Dataset } from '../training/dataset';

/** The part of a large fleet that a history contains. */
export interface FleetPart {
  /** Number of partitions that were read, from their newest records back until the devices have full windows. */
  partitions: number;
  /** Number of partitions with records. */
  ofPartitions: number;
  /** Number of devices in the history. */
  devices: number;
  /** Share of the devices of these partitions that the history contains, in [0, 1]. */
  deviceShare: number;
  /** Records in the history. */
  records: number;
}

export interface HistorySummary {
  /** Records read. */
  records: number;
  /** Records left out: they cannot be used, or are not newer than the newest one of their device. */
  rejected: Partial<Record<RejectReason, number>>;
  /** One entry for each reason, with an example and the settings that it depends on; without those that the settings ignore. */
  reasons: readonly string[];
  /** The records of `rejected` that the settings ignore: duplicates and late records. */
  ignored: { records: number; reasons: readonly string[] };
  /** Absent if the history has all devices. */
  part?: FleetPart;
}

export class HistoryAccount {
  private readonly refusals = new Refusals();
  /** Duplicate and late records, if the settings ignore them. */
  private readonly ignored = new Refusals();
  private records = 0;
  private keys = 0;
  private cuts: Dataset['cuts'] | undefined;
  private excluded = 0;
  private part: FleetPart | undefined;

  constructor(
    private readonly settings: Pick<DetectorSettings, 'source' | 'window' | 'training' | 'record'>,
  ) {}

  /**
   * @param rows of the decoded messages: a row, or why the message is rejected
   * @param origins of the same messages
   */
  read(rows: readonly (number | DecodeError)[], origins: readonly Origin[]): void {
    this.records += rows.length;
    rows.forEach((row, i) => {
      if (row instanceof DecodeError) this.refusals.add(row.reason, exampleOf(row.message, origins[i]!));
    });
  }

  leftOut(reason: 'duplicate' | 'out_of_order', key: string, timestamp: number): void {
    const time = new Date(timestamp).toISOString();
    const problem = reason === 'duplicate' ? 'a second record at' : 'a record after a later one, at';
    const { duplicates, outOfOrder } = this.settings.record;
    const effect = reason === 'duplicate' ? duplicates : outOfOrder;
    (effect === 'ignore' ? this.ignored : this.refusals).add(
      reason,
      `key ${JSON.stringify(key)} has ${problem} ${time}`,
    );
  }

  /** @param dropped records that were dropped because they were far ahead of the next ones of their key */
  built(
    { cuts, excludedRecords }: Pick<Dataset, 'cuts' | 'excludedRecords'>,
    keys: number,
    dropped: number,
  ): void {
    this.cuts = cuts;
    this.excluded = excludedRecords;
    this.keys = keys;
    this.refusals.add(
      'out_of_order',
      'a time far ahead, although the next records continue the earlier ones',
      dropped,
    );
  }

  /** Notes that the history has records of only a part of the devices. */
  ofPart(part: FleetPart): void {
    this.part = part;
  }

  /** Number of records left out, rejected or ignored. */
  get rejected(): number {
    return this.refusals.total + this.ignored.total;
  }

  summary(): HistorySummary {
    const { records, refusals, ignored, part } = this;
    const rejected = sumOf(refusals.counts(), ignored.counts());
    return {
      records,
      rejected,
      reasons: refusals.describe(),
      ignored: { records: ignored.total, reasons: ignored.describe() },
      ...(part && { part }),
    };
  }

  /** Text on the use of the records, for the error of a training that has too few windows. */
  describe(): string {
    const { source, window, training } = this.settings;
    const from = configuredSource(source);
    if (this.records === 0) {
      const where = from.bounded
        ? ''
        : ` in the last ${formatDuration(training.historyMs)} (training.history)`;
      const { path } = training.historyFrom;
      const nor = path === '' ? '' : `, nor does ${path} (training.historyFrom)`;
      return `the history has no records: ${from.topic} contains none${where}${nor}`;
    }
    const parts = [
      `${this.records} records read, ${this.part?.records ?? this.records - this.rejected} used, of ${this.keys} devices`,
    ];
    if (this.part !== undefined) parts.push(describePart(this.part, training.maxRecords));
    const [reasons, ignored] = [this.refusals.describe(), this.ignored.describe()];
    if (reasons.length > 0) parts.push(`rejected: ${reasons.join(', ')}`);
    if (ignored.length > 0) parts.push(`ignored: ${ignored.join(', ')}`);
    if (this.excluded > 0)
      parts.push(
        `${this.excluded} left out: near an event, with the label \`anomaly\` (training.labels), or beyond a limit`,
      );
    const { expired, broken, longestRun } = this.cuts ?? { expired: 0, broken: 0, longestRun: 0 };
    if (expired > 0)
      parts.push(`${expired} silences above window.ttl (${formatDuration(window.ttlMs)}) cut windows`);
    if (broken > 0)
      parts.push(
        `${broken} gaps cut windows (see window.interval, ${formatDuration(window.intervalMs)}, and window.gaps)`,
      );
    if (this.settings.record.kind === 'sensor' && this.keys > 0)
      parts.push(
        `the longest run of a device has ${longestRun} records, a window ${window.length} (window.length)`,
      );
    if (this.records - this.rejected < training.minRecords && this.rejected === 0)
      parts.push(
        from.bounded
          ? 'see source.file.historyRecords'
          : 'more records have to come, or see training.history',
      );
    return parts.join('; ');
  }
}

function sumOf(a: HistorySummary['rejected'], b: HistorySummary['rejected']): HistorySummary['rejected'] {
  const sum = { ...a };
  for (const [reason, count] of Object.entries(b) as [RejectReason, number][])
    sum[reason] = (sum[reason] ?? 0) + count;
  return sum;
}

/** Warns of rejected records; those that the settings ignore are no more than mentioned. */
export function logLeftOut(
  log: Pick<Logger, 'info' | 'warn'>,
  { records, rejected, reasons, ignored }: HistorySummary,
): void {
  const all = Object.values(rejected).reduce((sum, count) => sum + count, 0);
  if (reasons.length > 0)
    log.warn('records of the history were rejected', { rejected: all - ignored.records, records, reasons });
  if (ignored.records > 0)
    log.info('duplicate or late records of the history were ignored, as configured', {
      ignored: ignored.records,
      records,
      reasons: ignored.reasons,
    });
}

/** Text on the part of the fleet that the history contains, and on the reason for it. */
export function describePart(
  { partitions, ofPartitions, deviceShare }: FleetPart,
  maxRecords: number,
): string {
  const share =
    deviceShare < 1 ? `${Number((100 * deviceShare).toPrecision(2))} % of the devices` : 'the devices';
  return (
    `the history has ${share} of ${partitions} of ${ofPartitions} partitions: ` +
    `windows of all devices do not fit into ${maxRecords} records (training.maxRecords)`
  );
}
