/** Two pumps fail one after the other: two notifications, by the rules of Prometheus and by the sink, with devices and values. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createAlertmanagerSink } from '../../src/sinks/alertmanager/alertmanager';
import { createRecordedLog } from '../runtime/recorded-log';
import { createEvent } from '../sinks/events';
import { createCounts } from '../sinks/notification/simulated';
import { hasAlertmanager, startAlertmanager, type AlertmanagerServer } from './alertmanager-server';
import { createPump, newFolder, removeFolders, toCsv, writeConfig } from './plant';
import { freePort, hasPrometheus, startPrometheus, until, type PrometheusServer } from './prometheus-server';
import { endAllVaemon, startVaemon, type VaemonProcess } from './vaemon-process';

jest.setTimeout(240_000);

const history = 750;
/** Records of each pump while one fails; both send a hundred records a second together. */
const faults = {
  'pump-1': { from: history + 150, to: history + 900 },
  'pump-2': { from: history + 250, to: Infinity },
};

/** A daemon that scores two pumps, with the sink for an Alertmanager that is started only later. */
async function startPlant(sinkPort: number): Promise<VaemonProcess> {
  const pumps = (['pump-1', 'pump-2'] as const).map((key, seed) =>
    createPump(key, {
      seed,
      count: history + 3_000,
      start: Date.UTC(2026, 0, 1),
      disturb(values, i) {
        if (i >= faults[key].from && i < faults[key].to) values[2]! += 30;
      },
    }),
  );
  const records = pumps[0]!.flatMap((record, i) => [record, pumps[1]![i]!]);
  const file = path.join(await newFolder(), 'pumps.csv');
  await writeFile(file, toCsv(records));
  const daemon = startVaemon(['run'], await writeConfig(), {
    'store.path': await newFolder(),
    'source.file.path': file,
    'source.file.columns.conditions': 'mode',
    'source.file.historyRecords': 2 * history,
    'source.file.rate': 100,
    'events.acceptAfter': 100_000,
    // Chance and the edges of the faults open no event.
    'events.minRecords': 30,
    'sinks.alertmanager.urls': `http://127.0.0.1:${sinkPort}`,
    'sinks.alertmanager.repeat': '1s',
    'sinks.alertmanager.minFiring': '5s',
  });
  await daemon.ready(60_000);
  return daemon;
}

// Counted as skipped where they are not installed; .ci/run installs them.
const withPrograms = hasPrometheus() && hasAlertmanager() ? describe : describe.skip;

withPrograms('a real Alertmanager', () => {
  let daemon: VaemonProcess;
  let prometheus: PrometheusServer;
  let ofRules: AlertmanagerServer;
  let ofSink: AlertmanagerServer;

  beforeAll(async () => {
    const sinkPort = await freePort();
    daemon = await startPlant(sinkPort);
    ofRules = await startAlertmanager();
    const { host } = new URL(String(daemon.log('web server listens')[0]!['url']));
    prometheus = await startPrometheus(host, ofRules.address);
    // The first event opens while nothing listens there.
    await until(
      async () => (await daemon.metric('vaemon_notification_failures_total', { sink: 'alertmanager' })) > 0,
      60_000,
    );
    ofSink = await startAlertmanager(sinkPort);
  }, 150_000);

  afterAll(async () => {
    await (prometheus as PrometheusServer | undefined)?.stop();
    await endAllVaemon();
    await (ofRules as AlertmanagerServer | undefined)?.stop();
    await (ofSink as AlertmanagerServer | undefined)?.stop();
    await removeFolders();
  });

  const anomalies = ({ notifications }: AlertmanagerServer, status: string) =>
    notifications.filter((one) => one.groupLabels['alertname'] === 'VaemonAnomaly' && one.status === status);
  const keysOf = (server: AlertmanagerServer, status: string) =>
    anomalies(server, status).map(({ groupLabels }) => groupLabels['key']);

  test('notifies once of each of two devices, and once of the end', async () => {
    const servers = { rules: ofRules, sink: ofSink };
    for (const server of Object.values(servers)) {
      await until(() => Promise.resolve(anomalies(server, 'firing').length >= 2), 60_000);
      await until(() => Promise.resolve(keysOf(server, 'resolved').includes('pump-1')), 60_000);
    }
    // Whatever else would come, comes within some group intervals.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    for (const [name, server] of Object.entries(servers)) {
      expect({ name, firing: keysOf(server, 'firing').sort() }).toEqual({
        name,
        firing: ['pump-1', 'pump-2'],
      });
      expect({ name, resolved: keysOf(server, 'resolved') }).toEqual({ name, resolved: ['pump-1'] });
      for (const { alerts } of anomalies(server, 'firing')) {
        expect(alerts).toHaveLength(1);
        const { labels, annotations } = alerts[0]!;
        expect(labels).toMatchObject({ detector: 'plant', kind: 'anomaly', severity: 'warning' });
        expect(annotations['summary']).toMatch(
          new RegExp(`^${labels['key']!}: temperature [-\\d.]+, expected [-\\d.]+$`),
        );
      }
    }
    const [first] = anomalies(ofRules, 'firing');
    expect(first!.alerts[0]!.annotations).toMatchObject({
      runbook_url: expect.stringMatching(/\/runbooks#vaemonanomaly$/),
      dashboard_url: expect.stringContaining(`var-detector=plant&var-key=${first!.groupLabels['key']!}`),
    });
  });

  test('gives the alert of the sink the labels of the rule', () => {
    const labelsOf = (server: AlertmanagerServer) =>
      anomalies(server, 'firing')
        .map(({ alerts }) => alerts[0]!.labels)
        .sort((a, b) => (a['key']! < b['key']! ? -1 : 1));
    expect(labelsOf(ofSink)).toEqual(labelsOf(ofRules));
  });

  test('notifies once of a gateway, though each of its three partitions has an alert', async () => {
    const gateway = [0, 1, 2].map((partition) =>
      createEvent({
        id: `gateway/${partition}`,
        kind: 'silent',
        key: `p${partition}-d0`,
        keys: Array.from({ length: 3_333 }, (_, i) => `p${partition}-d${i}`),
        contributions: [],
      }),
    );
    const sink = createAlertmanagerSink({
      settings: {
        urls: [ofSink.url],
        repeatMs: 1_000,
        minFiringMs: 0,
        maxAlerts: 100,
        labels: [],
        links: { page: '', dashboard: '', runbook: '' },
        headersFile: '',
        clientCert: '',
        clientKey: '',
        ca: '',
        timeoutMs: 5_000,
      },
      passes: () => true,
      openEvents: () => gateway,
      counts: createCounts().counts,
      log: createRecordedLog(),
    });
    const silences = () => ofSink.notifications.filter(({ groupLabels }) => groupLabels['kind'] === 'silent');
    await until(() => Promise.resolve(silences().length > 0));
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await sink.close();
    expect(
      silences().map(({ alerts }) => alerts.map(({ annotations }) => annotations['summary']).sort()),
    ).toEqual([[0, 1, 2].map((partition) => `p${partition}-d0: silent, 3333 devices in all`)]);
  });

  test('that was away has delayed no record, and nothing was dropped', async () => {
    expect(await daemon.metric('vaemon_sink_errors_total')).toBe(0);
    expect(await daemon.metric('vaemon_notifications_dropped_total')).toBe(0);
    expect(await daemon.metric('vaemon_notifications_delivered_total')).toBeGreaterThanOrEqual(3);
    const scored = await daemon.metric('vaemon_records_scored_total');
    await until(async () => (await daemon.metric('vaemon_records_scored_total')) > scored + 50);
  });
});
