/** An event as JSON (docs/detections.md). */
import type { AnomalyEvent } from '../domain/event';

/** The fields of `AnomalyEvent`, with times as ISO text and as Unix ms. */
export function eventDocument(event: AnomalyEvent) {
  const { start, openedAt, end, peakAt, ...rest } = event;
  return {
    ...rest,
    start: isoTime(start),
    startMs: start,
    openedAt: isoTime(openedAt),
    openedAtMs: openedAt,
    end: isoTime(end),
    endMs: end,
    peakAt: isoTime(peakAt),
    peakAtMs: peakAt,
  };
}

/** Null for a time that JavaScript cannot format; the field in ms contains it. */
export function isoTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
