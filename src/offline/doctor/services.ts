/**
 * Checks the HTTP servers that a detector reads from or writes to: Prometheus, a schema registry, receivers of scores and
 * events.
 */
import type { DetectorSettings } from '../../config/settings';
import type { PrometheusSettings } from '../../sources/prometheus/spec';
import { ask, baseUrl } from '../../system/http';
import { firstLineOf } from '../../system/error-text';
import { readSecret, readText } from '../../system/secret';
import { durationText } from '../wording';
import { ok, warning, wrong, type Finding } from './finding';
import { addressOfUrl, whyUnreachable } from './reach';

/** @param now Unix ms */
export async function examineServices(settings: DetectorSettings, now: number): Promise<Finding[]> {
  const { source, sinks, record, training } = settings;
  const findings: Finding[] = [];
  if (source.kind === 'prometheus')
    findings.push(...(await examinePrometheus(source.prometheus, training, now)));
  if (source.kind === 'kafka' && record.format !== 'json' && source.kafka.registry.url !== '')
    findings.push(await examineRegistry(source.kafka.registry));
  if (sinks.remoteWrite.url !== '') findings.push(await examineRemoteWrite(sinks.remoteWrite));
  const receivers: [string, string][] = [
    ...sinks.alertmanager.urls.map((url): [string, string] => ['sinks.alertmanager.urls', url]),
    ['sinks.webhook.url', sinks.webhook.url],
    ['sinks.grafana.url', sinks.grafana.url],
  ];
  for (const [key, url] of receivers) if (url !== '') findings.push(await examineReceiver(key, url));
  return findings;
}

/** Smallest difference of clocks that is reported, ms: servers state whole seconds. */
const clockToleranceMs = 5_000;

async function examinePrometheus(
  settings: PrometheusSettings,
  { historyMs, historyFrom }: Pick<DetectorSettings['training'], 'historyMs' | 'historyFrom'>,
  now: number,
): Promise<Finding[]> {
  const { createPrometheusClient } = await import('../../sources/prometheus/client');
  const { stepAtOrBefore } = await import('../../sources/prometheus/reader');
  const { toSteps } = await import('../../sources/prometheus/records');
  const queryRange = createPrometheusClient(settings);
  const { stepMs: step, delayMs, queries } = settings;
  const at = (time: number) => {
    const aligned = stepAtOrBefore(time, step);
    return { from: aligned, to: aligned, step };
  };
  const findings: Finding[] = [];
  const results = [];
  for (const query of queries) {
    const subject = `query ${query.name}`;
    try {
      const { series, warnings, serverTime } = await queryRange(query, at(now - delayMs));
      results.push({ name: query.name, series });
      if (series.length === 0)
        findings.push(
          warning(
            subject,
            'returns no series now: this channel would be missing',
            `correct source.prometheus.queries.${query.name}`,
          ),
        );
      else findings.push(ok(subject, `${series.length} series`));
      for (const text of warnings) findings.push(warning(subject, text));
      if (Math.abs(serverTime - now) > clockToleranceMs + step && results.length === 1)
        findings.push(
          warning(
            'clock',
            `that of Prometheus differs by ${durationText(Math.abs(serverTime - now))} from this one`,
            'synchronise the clocks, such as with chronyd',
          ),
        );
      if (historyFrom.path !== '') continue;
      const before = await queryRange(query, at(now - historyMs));
      if (before.series.length === 0 && series.length > 0)
        findings.push(
          warning(
            subject,
            `had no series ${durationText(historyMs)} ago: trainings read less than training.history`,
            'raise --storage.tsdb.retention.time of Prometheus, or set training.historyFrom',
          ),
        );
    } catch (error) {
      findings.push(wrong(subject, firstLineOf(error)));
    }
  }
  const [newest] = toSteps(results, at(now - delayMs), settings);
  const refused = newest?.records().find(({ problem }) => problem !== undefined);
  if (refused !== undefined)
    findings.push(
      wrong(
        'records',
        refused.problem!.message,
        'aggregate or select in source.prometheus.queries, or correct keyLabels',
      ),
    );
  else if (newest !== undefined && newest.count > 0) findings.push(ok('records', `${newest.count} devices`));
  return findings;
}

async function examineRegistry({
  url,
  username,
  password,
  passwordFile,
  ca,
  timeoutMs,
}: Extract<DetectorSettings['source'], { kind: 'kafka' }>['kafka']['registry']): Promise<Finding> {
  const subject = `schema registry ${new URL(url).host}`;
  try {
    const { status } = await ask({
      url: new URL('subjects', baseUrl(url)),
      headers: {
        accept: 'application/json',
        ...(username !== '' && {
          authorization: `Basic ${Buffer.from(`${username}:${readSecret(password, passwordFile)}`).toString('base64')}`,
        }),
      },
      ca: ca === '' ? undefined : readText(ca),
      timeoutMs,
      cutAfter: 1024,
    });
    if (status === 200) return ok(subject, 'answers');
    return status === 401 || status === 403
      ? wrong(
          subject,
          `HTTP ${status}`,
          'correct source.kafka.registry.username, and VAEMON_KAFKA_REGISTRY_PASSWORD or passwordFile',
        )
      : wrong(subject, `HTTP ${status}`, 'correct source.kafka.registry.url');
  } catch (error) {
    return wrong(subject, firstLineOf(error), 'correct source.kafka.registry.url');
  }
}

/** Sends a request without series, which a receiver accepts without effect. */
async function examineRemoteWrite(settings: DetectorSettings['sinks']['remoteWrite']): Promise<Finding> {
  const { send } = await import('../../sinks/notification/endpoint');
  const { encodeWriteRequest, writeHeaders } = await import('../../sinks/remote-write/write-request');
  const url = new URL(settings.url);
  const subject = `remote write ${url.host}`;
  try {
    await send(settings, { url, body: await encodeWriteRequest([]), headers: writeHeaders });
    return ok(subject, 'accepts series');
  } catch (error) {
    return wrong(
      subject,
      firstLineOf(error),
      'correct sinks.remoteWrite; Prometheus needs --web.enable-remote-write-receiver',
    );
  }
}

/** Checks only whether the receiver accepts connections: a request would notify people. */
async function examineReceiver(key: string, url: string): Promise<Finding> {
  const { host, port } = addressOfUrl(url);
  const subject = `${key} ${host}:${port}`;
  const problem = await whyUnreachable({ host, port });
  return problem === undefined
    ? ok(subject, 'accepts connections')
    : wrong(subject, problem, `correct ${key}, or see nc -vz ${host} ${port}`);
}
