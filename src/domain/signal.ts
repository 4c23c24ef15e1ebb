/** Rules of the operator for a channel: which deviations count, and which values are out of limits. */
import type { SignalKind } from './counter';
import type { Values } from './record';

/** Which deviations of a channel from its expected value count. Other deviations are treated as zero. */
export interface SignalRule {
  channel: string;
  /** `up`: only values above the expected one count; `down`: only those below. */
  direction: 'up' | 'down' | 'both';
  /** Deviations below this do not count. In the channel's unit; for a counter, per second. */
  deadband: number;
}

export interface SignalSpec extends SignalRule {
  kind: SignalKind;
  /** Values outside are anomalous whatever the model reports. A value equal to a limit is inside. */
  limits: { min?: number; max?: number };
}

/** One value beyond a limit of its channel. */
export interface LimitViolation {
  channel: string;
  limit: 'min' | 'max';
  /** The limit, in the channel's unit. */
  bound: number;
  actual: number;
}

/** Whether a deviation counts. Both values are in the channel's unit. */
export type Counts = (channel: number, actual: number, expected: number) => boolean;

/** Returns undefined if every deviation of every channel counts. */
export function createCounts(channels: readonly string[], rules: readonly SignalRule[]): Counts | undefined {
  const byChannel = channels.map((name) => {
    const rule = rules.find(({ channel }) => channel === name);
    return rule === undefined || (rule.direction === 'both' && rule.deadband === 0) ? undefined : rule;
  });
  if (byChannel.every((rule) => rule === undefined)) return undefined;
  return (channel, actual, expected) => {
    const rule = byChannel[channel];
    if (rule === undefined) return true;
    const deviation = actual - expected;
    if (Math.abs(deviation) < rule.deadband) return false;
    return rule.direction === 'both' || (rule.direction === 'up' ? deviation > 0 : deviation < 0);
  };
}

/** The violated limits of the record at index `offset` of the values, in the order of the channels. */
export type CheckLimits = (values: Values, offset: number) => readonly LimitViolation[];

const noViolations: readonly LimitViolation[] = [];

/** Missing values violate no limit. */
export function createLimitCheck(channels: readonly string[], specs: readonly SignalSpec[]): CheckLimits {
  const limited = specs
    .filter(({ limits }) => limits.min !== undefined || limits.max !== undefined)
    .map(({ channel, limits }) => ({ channel, limits, at: channels.indexOf(channel) }))
    .sort((a, b) => a.at - b.at);
  return (values, offset) => {
    let violations: LimitViolation[] | undefined;
    for (const { channel, limits, at } of limited) {
      const actual = values[offset + at]!;
      if (limits.min !== undefined && actual < limits.min)
        (violations ??= []).push({ channel, limit: 'min', bound: limits.min, actual });
      if (limits.max !== undefined && actual > limits.max)
        (violations ??= []).push({ channel, limit: 'max', bound: limits.max, actual });
    }
    return violations ?? noViolations;
  };
}
