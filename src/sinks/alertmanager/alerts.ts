/**
 * The alerts of one detector at one Alertmanager: which ones fire, and when each must be sent. Alertmanager identifies an alert
 * by its labels, so a device has one alert for each kind of event, however often its event changes.
 */
import type { AnomalyEvent } from '../../domain/event';

export interface AlertRules {
  /** A firing alert is sent again after this time, ms. */
  repeatMs: number;
  /**
   * Shortest time from the first delivery to the resolution, ms: Alertmanager sends no notification of an alert that ends
   * before its group_wait.
   */
  minFiringMs: number;
  /** Maximum number of alerts; the least surprising others are left out. */
  maxAlerts: number;
}

export interface Alert {
  event: AnomalyEvent;
  /** Whether the event is over. */
  closed: boolean;
  /** When the alert began, Unix ms. */
  since: number;
  /** First delivery, Unix ms. */
  firedAt: number | undefined;
  /** Last delivery while it fires, Unix ms. */
  sentAt: number | undefined;
}

export type AlertState = 'firing' | 'resolved';

export function createAlerts({ repeatMs, minFiringMs, maxAlerts }: AlertRules) {
  const alerts = new Map<string, Alert>();
  /** When all places are taken, new events up to this surprise get no alert. */
  let bar = -Infinity;

  const identityOf = ({ kind, key }: AnomalyEvent): string => `${kind}/${key}`;

  /** Whether the event belongs to the alert: its own event, or a later one of the same device. */
  const concerns = (alert: Alert, event: AnomalyEvent): boolean =>
    event.id === alert.event.id || event.start > alert.event.start;

  /** Removes the least surprising alert; returns false if that is the new one. */
  function makeRoom(surprise: number): boolean {
    if (surprise <= bar) return false;
    let least: [string, number] = ['', Infinity];
    for (const [identity, { event }] of alerts)
      if (event.peakSurprise < least[1]) least = [identity, event.peakSurprise];
    bar = least[1];
    if (surprise <= bar) return false;
    alerts.delete(least[0]);
    return true;
  }

  return {
    /** @returns the number of alerts that were left out because all places are taken: 0 or 1 */
    put(event: AnomalyEvent, now: number): number {
      const identity = identityOf(event);
      const closed = event.status === 'closed';
      const known = alerts.get(identity);
      if (known !== undefined) {
        if (!concerns(known, event)) return 0;
        known.event = event;
        known.closed = closed;
        return 0;
      }
      const isFull = alerts.size >= maxAlerts;
      if (!isFull || makeRoom(event.peakSurprise))
        alerts.set(identity, { event, closed, since: now, firedAt: undefined, sentAt: undefined });
      return isFull ? 1 : 0;
    },
    /** Whether the event has an alert. */
    has: (event: AnomalyEvent): boolean => alerts.get(identityOf(event))?.event.id === event.id,
    /**
     * Follows the open events. An alert is no longer sent, and so expires, if its event is not among them although it is more
     * surprising than the last one: then another process has its partition.
     * @param open the most surprising `maxAlerts` open events, the most surprising first
     */
    follow(open: readonly AnomalyEvent[], passes: (event: AnomalyEvent) => boolean, now: number): void {
      const ids = new Set(open.map(({ id }) => id));
      const least = open.length < maxAlerts ? -Infinity : open.at(-1)!.peakSurprise;
      for (const [identity, { event, closed, firedAt }] of alerts)
        if (!closed && firedAt !== undefined && event.peakSurprise > least && !ids.has(event.id))
          alerts.delete(identity);
      if (alerts.size < maxAlerts) bar = -Infinity;
      for (const event of open) {
        const known = alerts.get(identityOf(event));
        if (known === undefined) {
          if (alerts.size < maxAlerts && passes(event)) this.put(event, now);
        } else if (!known.closed || event.start > known.event.start) this.put(event, now);
      }
    },
    /** Alerts that must be sent now, the most surprising first. */
    due(now: number): [Alert, AlertState][] {
      const due: [Alert, AlertState][] = [];
      for (const alert of alerts.values()) {
        const { closed, firedAt, sentAt } = alert;
        if (closed && firedAt !== undefined && now - firedAt >= minFiringMs) due.push([alert, 'resolved']);
        else if (sentAt === undefined || now - sentAt >= repeatMs) due.push([alert, 'firing']);
      }
      return due.sort(([a], [b]) => b.event.peakSurprise - a.event.peakSurprise);
    },
    /** @returns whether this was the first delivery or the resolution of the alert */
    sent(alert: Alert, state: AlertState, now: number): boolean {
      if (state === 'resolved') {
        // A later event of the device may have begun during the request.
        const identity = identityOf(alert.event);
        if (alerts.get(identity) !== alert) return true;
        if (alert.closed) alerts.delete(identity);
        else Object.assign(alert, { since: now, firedAt: undefined, sentAt: undefined });
        return true;
      }
      alert.sentAt = now;
      if (alert.firedAt !== undefined) return false;
      alert.firedAt = now;
      return true;
    },
    /** Removes an alert that Alertmanager rejects permanently. */
    discard(alert: Alert): void {
      const identity = identityOf(alert.event);
      if (alerts.get(identity) === alert) alerts.delete(identity);
    },
    /** Alerts whose beginning or end Alertmanager does not have yet. */
    get waiting(): number {
      let waiting = 0;
      for (const { closed, firedAt } of alerts.values()) if (closed || firedAt === undefined) waiting++;
      return waiting;
    },
  };
}
