/** Derives the windows from the cadence of the records. */
import type { Proposal } from './infer';
import { nameOf } from './sample';

export const usualLength = 10;
/** Number of windows that the sample should contain per device at least. */
const minWindows = 5;
const usualTtlMs = 3_600_000;

/** Names of the channels; the values of a list get numbered names. */
export function channelNames({ channels, listLength }: Proposal): string[] {
  return listLength === undefined
    ? channels.map(nameOf)
    : Array.from({ length: listLength }, (_, i) => `v${i + 1}`);
}

/** Number of records per window, reduced for devices with few records. */
export function windowLength({ cadence, channels, listLength }: Proposal): number {
  // The model needs at least two numbers per window.
  const least = (listLength ?? channels.length) === 1 ? 2 : 1;
  return Math.max(least, Math.min(usualLength, Math.floor(cadence.recordsPerDevice / minWindows)));
}

/** Silence after which a device starts a new window, ms: some windows long, and longer than the usual pauses. */
export function windowTtl(proposal: Proposal): number {
  const { intervalMs, usualPauseMs } = proposal.cadence;
  if (Number.isNaN(intervalMs)) return usualTtlMs;
  return roundUp(Math.max(3 * windowLength(proposal) * intervalMs, 2 * usualPauseMs, 60_000));
}

/** Silence of a device after which an event ends, ms; undefined unless it must be longer than the default. */
export function eventSilence({ cadence }: Proposal): number | undefined {
  const silenceMs = roundUp(10 * cadence.intervalMs);
  return silenceMs > usualTtlMs ? silenceMs : undefined;
}

const niceMs = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].map(
  (s) => s * 1000,
);
const dayMs = 86_400_000;

function roundUp(ms: number): number {
  return niceMs.find((one) => one >= ms) ?? Math.ceil(ms / dayMs) * dayMs;
}
