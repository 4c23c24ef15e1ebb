/** Mutes: rules by which events raise no notification, for a time or in recurring windows. */
import { Cron } from 'croner';
import type { AnomalyEvent } from './anomaly-event';

export interface Mute {
  id: string;
  /** Device; empty = all. */
  key: string;
  /** Channel that ranks first in the event, or whose limit is violated; empty = every channel. */
  channel: string;
  /** Unix ms. */
  from: number;
  /** Unix ms; null = no end, which only a recurring mute can have. */
  until: number | null;
  /**
   * Recurring windows between `from` and `until`, each beginning at a time of the cron pattern. Absent = the mute is always in
   * force.
   */
  recurring?: { cron: string; forMs: number; timeZone: string };
  note: string;
}

/** Whether a mute is in force at a time, Unix ms. */
export function isInForce({ from, until, recurring }: Mute, at: number): boolean {
  if (at < from || (until !== null && at >= until)) return false;
  if (recurring === undefined) return true;
  const { cron, forMs, timeZone } = recurring;
  // The window that began last, if it is still open.
  const began = new Cron(cron, { timezone: timeZone, paused: true }).nextRun(new Date(at - forMs));
  return began !== null && began.getTime() <= at;
}

export interface MuteStatus {
  inForce: boolean;
  /** Time at which the mute next comes into force, Unix ms. Absent while it is in force, and once it is over. */
  next?: number;
}

/** Whether a mute is in force at a time, Unix ms, and when it is next. */
export function muteStatus(mute: Mute, at: number): MuteStatus {
  if (isInForce(mute, at)) return { inForce: true };
  const next = nextBeginning(mute, at);
  return { inForce: false, ...(next !== undefined && { next }) };
}

/** Time at which a mute that is not in force begins again. */
function nextBeginning(mute: Mute, at: number): number | undefined {
  const { from, until, recurring } = mute;
  const earliest = Math.max(from, at);
  if (isInForce(mute, earliest)) return earliest;
  if (recurring === undefined) return undefined;
  const { cron, timeZone } = recurring;
  const began = new Cron(cron, { timezone: timeZone, paused: true }).nextRun(new Date(earliest))?.getTime();
  return began === undefined || (until !== null && began >= until) ? undefined : began;
}

/** Whether a mute covers an event for one of its devices; each device of an event must be muted by some mute. */
function concerns({ key, channel }: Mute, event: AnomalyEvent, device: string): boolean {
  if (key !== '' && key !== device) return false;
  if (channel === '') return true;
  const leading = event.limits.length > 0 ? event.limits : event.contributions.slice(0, 1);
  return leading.length > 0 && leading.every((one) => one.channel === channel);
}

/** Whether an event that opens at `at` (Unix ms) is muted. */
export function isMuted(mutes: readonly Mute[], event: AnomalyEvent, at: number): boolean {
  const inForce = mutes.filter((mute) => isInForce(mute, at));
  return (event.keys ?? [event.key]).every((device) => inForce.some((mute) => concerns(mute, event, device)));
}
