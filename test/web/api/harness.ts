/** A web server with the API of one detector, `plant`, whose events are real ones of the recent past. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnomalyEvent } from '../../../src/domain/event';
import { openPast, type Past } from '../../../src/past/past';
import { createApi, type ApiOptions } from '../../../src/web/api/api';
import type { DetectorEntry, DetectorView } from '../../../src/web/api/detector-view';
import { createWebServer } from '../../../src/web/server';
import { readPage } from '../../../src/web/static';

export const changeToken = 'a-token-for-changes';
export const channels = ['flow', 'power'];
/** Event time of the first record. */
export const began = Date.parse('2026-01-05T00:00:00Z');

const power = {
  within: [1, 10],
  stretches: 12,
  alarming: 1,
  faults: [{ kind: 'spike', size: 6, unit: 'standard deviations', canaries: 20, found: [15, 18] }],
} as const;

export interface Started {
  url: string;
  past: Past;
  view: DetectorView;
  api: ReturnType<typeof createApi>;
  get(path: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

export async function startApi(
  changes: Partial<ApiOptions> = {},
  viewChanges: Partial<DetectorView> = {},
): Promise<Started> {
  const directory = mkdtempSync(join(tmpdir(), 'vaemon-api-'));
  const past = await openPast({
    directory,
    detector: 'plant',
    settings: { events: 1000, records: 30, scoresMs: 4 * 3_600_000, devices: 100, saveIntervalMs: 60_000 },
    continues: true,
    log: { warn: () => undefined },
  });
  const view: DetectorView = {
    past,
    now: () => past.newest(),
    state: () => ({
      openEvents: past.events().filter(({ event }) => event.status === 'open').length,
      recordsPerSecond: 12.5,
      devices: 3,
      training: false,
      budget: { eventsPerDay: 5, spentRatio: 0.25, openedToday: 2, heldBackToday: 0 },
      model: {
        version: '20260101T000000.000Z',
        createdAt: Date.parse('2026-01-01T00:00:00Z'),
        threshold: 3.2,
        coldStart: false,
        drift: { active: false, evidenceRatio: 0.1 },
        power: { trained: power },
      },
    }),
    versions: () =>
      Promise.resolve([
        { version: '20260101T000000.000Z', createdAt: '2026-01-01T00:00:00.000Z', current: true },
      ]),
    report: (version) => Promise.resolve(version === '20260101T000000.000Z' ? { epochs: 12 } : undefined),
    ...viewChanges,
  };
  const entries: DetectorEntry[] = [
    { name: 'plant', ready: true, reason: 'consuming', view },
    { name: 'broken', ready: false, reason: 'cannot continue: no model', view: undefined },
  ];
  const api = createApi({
    version: '1.2.3',
    access: { reading: 'loopback', readToken: () => undefined, changeToken: () => changeToken },
    detectors: () => entries,
    ...changes,
  });
  past.subscribe(api.publish);
  const server = await createWebServer({
    host: '127.0.0.1',
    port: 0,
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
    health: () => ({ ok: true, details: {} }),
    readiness: () => ({ ready: true, detectors: [] }),
    page: readPage(),
    api,
  });
  const { url } = server.address;
  return {
    url,
    past,
    view,
    api,
    get: (path, init) => fetch(`${url}/api/v1${path}`, init),
    async stop() {
      await server.close();
      await past.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Plays records `from` to `to` of a device; `flow` breaks from record 40 on, and the event is over at 60. */
export function play(past: Past, key: string, from = 0, to = 80): void {
  for (let i = from; i < to; i++) {
    const isBroken = i >= 40 && i < 60;
    const timestamp = began + 1000 * i;
    past.observe(
      { partition: 0, key, timestamp, surprise: isBroken ? 6 : 1, threshold: 3.2, anomalous: isBroken },
      channels,
      (into, at) => into.set([isBroken ? 9 : 1 + (i % 2) / 10, 5, 1, i === 3 ? NaN : 5], at),
    );
    if (i === 42) past.report([eventOf(key, 'open')], channels);
    if (i === 60) past.report([eventOf(key, 'closed')], channels);
  }
}

export function eventOf(
  key: string,
  status: AnomalyEvent['status'],
  more: Partial<AnomalyEvent> = {},
): AnomalyEvent {
  return {
    id: `plant/${key}/${new Date(began + 40_000).toISOString()}`,
    detector: 'plant',
    key,
    kind: 'anomaly',
    status,
    ...(status !== 'open' && { closedBy: 'quiet' as const }),
    start: began + 40_000,
    end: began + 59_000,
    openedAt: began + 42_000,
    anomalousRecords: 20,
    peakSurprise: 6,
    peakAt: began + 41_000,
    threshold: 3.2,
    contributions: [
      {
        channel: 'flow',
        contribution: 31,
        surprise: 5.5,
        actual: 9,
        expected: 1,
        repeats: 0,
        at: began + 41_000,
        records: 20,
      },
    ],
    limits: [],
    nearestNormal: { reconstruction: 3, leftOut: ['flow'], latent: [] },
    modelVersion: '20260101T000000.000Z',
    ...more,
  };
}
