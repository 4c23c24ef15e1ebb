/** The channels of an event, over all of its records. */
import type { Contribution, Detection } from './detection';
import type { LimitViolation } from './signal';

/** A channel of an event, at the record where it was most unusual. */
export interface EventContribution extends Contribution {
  /** Event time of that record, Unix ms. */
  at: number;
  /** Anomalous records in which the channel alone reached the threshold. */
  records: number;
}

export type EventChannels = ReturnType<typeof createEventChannels>;

export interface EventChannelsSnapshot {
  channels: readonly Merged[];
  limits: readonly LimitViolation[];
}

/** Maximum number of channels in an event; a detection has all of them. */
const namedChannels = 10;

/** Maximum number of image regions that are kept per event. */
const keptRegions = 64;

interface Merged {
  worst: EventContribution;
  /**
   * Reciprocal ranks summed over the records (Cormack, Clarke & Büttcher 2009). Sums of surprise would let one extreme value
   * outweigh a fault of many records, and differences far in the tail mean little.
   */
  weight: number;
}

export function createEventChannels(beginning?: EventChannelsSnapshot) {
  const channels = new Map<string, Merged>(beginning?.channels.map((one) => [one.worst.channel, one]));
  const limits = new Map<string, LimitViolation>();

  const isLimited = (channel: string): boolean =>
    limits.has(`min ${channel}`) || limits.has(`max ${channel}`);

  function addLimit(violation: LimitViolation): void {
    const id = `${violation.limit} ${violation.channel}`;
    const known = limits.get(id);
    const beyond = (one: LimitViolation): number => Math.abs(one.actual - one.bound);
    if (known === undefined || beyond(violation) > beyond(known)) limits.set(id, violation);
  }

  beginning?.limits.forEach(addLimit);

  /** Regions differ from image to image, so their number would grow without bound. */
  function keepBest(): void {
    if (channels.size <= keptRegions) return;
    const ranked = [...channels].sort(
      ([, a], [, b]) => b.weight - a.weight || b.worst.surprise - a.worst.surprise,
    );
    for (const [name] of ranked.slice(keptRegions)) channels.delete(name);
  }

  return {
    add({ contributions, limits: violations, threshold, timestamp }: Detection): void {
      for (const violation of violations) addLimit(violation);
      contributions.forEach((given, rank) => {
        const known = channels.get(given.channel);
        const records = (known?.worst.records ?? 0) + (given.surprise >= threshold ? 1 : 0);
        const isWorse = known === undefined || given.surprise > known.worst.surprise;
        channels.set(given.channel, {
          worst: isWorse ? { ...given, at: timestamp, records } : { ...known.worst, records },
          weight: (known?.weight ?? 0) + 1 / (rank + 1),
        });
      });
      if (contributions[0]?.region !== undefined) keepBest();
    },
    /** Channels beyond a limit first, then those that ranked highest over the records. */
    contributions: (): readonly EventContribution[] =>
      [...channels.values()]
        .sort(
          (a, b) =>
            Number(isLimited(b.worst.channel)) - Number(isLimited(a.worst.channel)) ||
            b.weight - a.weight ||
            b.worst.surprise - a.worst.surprise ||
            b.worst.contribution - a.worst.contribution,
        )
        .slice(0, namedChannels)
        .map(({ worst }) => worst),
    limits: (): readonly LimitViolation[] => [...limits.values()],
    /**
     * JSON data, from which `createEventChannels` continues. Elements are replaced and never changed, so no deep copy is
     * needed.
     */
    snapshot: (): EventChannelsSnapshot => ({
      channels: [...channels.values()],
      limits: [...limits.values()],
    }),
  };
}
