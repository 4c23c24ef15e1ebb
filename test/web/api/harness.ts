/** A web server with the API of one detector, `plant`, whose events are real ones of the recent past. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DetectorSettings } from '../../../src/config/settings';
import type { AnomalyEvent } from '../../../src/domain/event';
import { openMutes, type Mutes } from '../../../src/past/mutes';
import { openPast, type Past } from '../../../src/past/past';
import { processName, type ScoringProcess } from '../../../src/past/processes';
import type { LoadedModel } from '../../../src/runtime/model-loader';
import { createDetectorView } from '../../../src/runtime/detector-view';
import { createLabelWriter } from '../../../src/runtime/label-writer';
import { createModelStore, type ModelStore } from '../../../src/store/model-store';
import { createTrialStore } from '../../../src/store/trials';
import { createApi, type ApiOptions } from '../../../src/web/api/api';
import { createAudit } from '../../../src/web/api/audit';
import type { DetectorEntry, DetectorView } from '../../../src/web/api/detector-view';
import { createWebServer } from '../../../src/web/server';
import { readRunbooks, runbooksPath } from '../../../src/web/runbooks';
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
  mutes: Mutes;
  /** Folder of the store. */
  directory: string;
  labelFile: string;
  store: ModelStore;
  /** What the detector was told to do, and whether a training runs. */
  told: {
    trainings: number;
    labelled: number;
    used: [version: string, pin: boolean][];
    isTraining: boolean;
    processes: ScoringProcess[];
  };
  get(path: string, init?: RequestInit): Promise<Response>;
  /** With the token of changes. */
  change(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Lines of the audit log. */
  audited(): Record<string, unknown>[];
  stop(): Promise<void>;
}

interface Changes extends Partial<ApiOptions> {
  view?: Partial<DetectorView>;
  labels?: boolean;
  /** Most devices with scores. */
  devices?: number;
}

export async function startApi({
  view: viewChanges,
  labels = true,
  devices = 100,
  ...changes
}: Changes = {}): Promise<Started> {
  const directory = mkdtempSync(join(tmpdir(), 'vaemon-api-'));
  const labelFile = join(directory, 'labels.csv');
  const detector = 'plant';
  const past = await openPast({
    directory,
    detector,
    settings: { events: 1000, records: 30, scoresMs: 4 * 3_600_000, devices, saveIntervalMs: 60_000 },
    events: { openRecords: 3, openWindow: 5 },
    continues: true,
    metrics: { bytes: () => undefined, saveFailed: () => undefined },
    log: { warn: () => undefined },
  });
  const mutes = await openMutes({
    directory,
    detector,
    now: () => past.newest(),
    reported: (id) => past.event(id)?.event,
    log: { error: () => undefined },
  });
  const store = createModelStore({ directory, detector, clock: () => Date.parse('2026-01-01T00:00:00Z') });
  const report = Buffer.from(JSON.stringify({ epochs: 12 }));
  const version = await store.publish(new Map([['report.json', report]]), {});
  const told: Started['told'] = {
    trainings: 0,
    labelled: 0,
    used: [],
    isTraining: false,
    processes: [
      {
        name: processName,
        at: began,
        stale: false,
        partitions: [0],
        openEvents: 0,
        recordsPerSecond: 12.5,
        devices: 0,
        spentRatio: 0,
        version,
      },
    ],
  };
  const settings = {
    calibration: { falseAlarmTarget: { kind: 'rate', count: 5, perMs: 86_400_000 } },
    events: {
      budget: 'auto',
      silentDevices: false,
      openRecords: 3,
      openWindow: 5,
      closeAfter: 10,
      silenceMs: 3_600_000,
    },
    past: { records: 30 },
    window: { maxKeys: 10 },
    training: { labels: { file: labels ? labelFile : '', topic: '' } },
  } as DetectorSettings;
  const view: DetectorView = {
    ...createDetectorView({
      settings: () => settings,
      events: { past, mutes, now: () => past.newest() },
      processes: { list: () => told.processes },
      labels: {
        writer: await createLabelWriter(settings, undefined as never),
        refresh: () => {
          told.labelled++;
          return Promise.resolve();
        },
      },
      models: {
        store,
        slot: {
          current: () =>
            ({
              detector: {
                version,
                // Ten records a second, every one a cluster of its own.
                state: { recordsPerMs: 0.01, calibration: { effectiveSize: 10_000, extremalIndex: 1 } },
              },
              threshold: 3.2,
              drift: { active: false, evidenceRatio: 0.1 },
              power,
            }) as unknown as LoadedModel,
        },
        async useVersion(wanted, pin) {
          told.used.push([wanted, pin]);
          await (pin ? store.pin(wanted) : store.setCurrent(wanted));
          await createTrialStore(directory, detector).choose(wanted, 0);
        },
        training: {
          isRunning: () => told.isTraining,
          trainNow() {
            told.trainings++;
            return Promise.resolve('started');
          },
        },
        canaries: { live: () => undefined },
        trials: { ...createTrialStore(directory, detector), progress: () => undefined },
      },
    }),
    ...viewChanges,
  };
  const entries: DetectorEntry[] = [
    { name: 'plant', ready: true, reason: 'consuming', view },
    { name: 'broken', ready: false, reason: 'cannot continue: no model', view: undefined },
  ];
  const auditFile = join(directory, 'audit.log');
  const api = createApi({
    version: '1.2.3',
    access: { reading: 'loopback', readToken: () => undefined, changeToken: () => changeToken },
    detectors: () => entries,
    audit: createAudit(directory),
    ...changes,
  });
  past.subscribe(api.publish);
  const server = await createWebServer({
    host: '127.0.0.1',
    port: 0,
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
    health: () => ({ ok: true, details: {} }),
    readiness: () => ({ ready: true, detectors: [] }),
    page: new Map([...readPage(), [runbooksPath, readRunbooks()]]),
    api,
  });
  const { url } = server.address;
  const get: Started['get'] = (path, init) => fetch(`${url}/api/v1${path}`, init);
  return {
    url,
    past,
    mutes,
    directory,
    labelFile,
    store,
    told,
    get,
    change: (method, path, body, headers) =>
      get(path, {
        method,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${changeToken}`, ...headers },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    audited: () =>
      existsSync(auditFile)
        ? readFileSync(auditFile, 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Record<string, unknown>)
        : [],
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
      {
        partition: 0,
        key,
        timestamp,
        surprise: isBroken ? 6 : 1,
        threshold: 3.2,
        aboveBaseline: isBroken ? 6 : 1,
        anomalous: isBroken,
      },
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
