/** Which channels an event is about: those of all its records, not only of the most surprising one. */
import type { Contribution, Detection } from './detection';
import type { LimitViolation } from './signal';

/** A channel over a whole event: what was said of it when it was most unusual. */
export interface EventContribution extends Contribution {
  /** Event time of that record, Unix ms. */
  at: number;
  /** Anomalous records of the event in which this channel by itself was beyond the threshold. */
  records: number;
}

export interface EventChannels {
  /** Takes one anomalous record. */
  add(detection: Detection): void;
  /** The most unusual channel first: those beyond a limit, then those that led most records. */
  contributions(): readonly EventContribution[];
  limits(): readonly LimitViolation[];
  /** What `createEventChannels` goes on from; plain data. */
  snapshot(): EventChannelsSnapshot;
}

export interface EventChannelsSnapshot {
  channels: readonly Merged[];
  limits: readonly LimitViolation[];
}

/** Channels that an event names; each detection has them all. */
const namedChannels = 10;

interface Merged {
  worst: EventContribution;
  /**
   * Reciprocal ranks summed over the records (Cormack, Clarke & Büttcher 2009): far in the tail it means nothing how much
   * odder one channel is than another, and one wild value must not outrank what was wrong all the time.
   */
  weight: number;
}

export function createEventChannels(beginning?: EventChannelsSnapshot): EventChannels {
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

  return {
    add({ contributions, limits: violations, threshold, timestamp }) {
      for (const violation of violations) addLimit(violation);
      contributions.forEach((said, rank) => {
        const known = channels.get(said.channel);
        const records = (known?.worst.records ?? 0) + (said.surprise >= threshold ? 1 : 0);
        const isWorse = known === undefined || said.surprise > known.worst.surprise;
        channels.set(said.channel, {
          worst: isWorse ? { ...said, at: timestamp, records } : { ...known.worst, records },
          weight: (known?.weight ?? 0) + 1 / (rank + 1),
        });
      });
    },
    contributions: () =>
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
    limits: () => [...limits.values()],
    // Replaced and never changed, so that a copy of the list is one of its content.
    snapshot: () => ({ channels: [...channels.values()], limits: [...limits.values()] }),
  };
}
