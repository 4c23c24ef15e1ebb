/** Records from Prometheus, or from another server with its HTTP API: results of queries at regular times. */
import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { names, path, secret, show, text, textByName, whole } from '../../schema/formats';
import { url } from '../../schema/network-formats';
import { duration } from '../../schema/time-formats';
import type { Parsed, Section } from '../../schema/key';
import type { SectionRule } from '../../schema/rule';
import { acquireLease } from '../../store/lease';
import type { RecordScope, SourceSpec } from '../spec';
import { prometheusTopic } from './records';

const optionalFile = (doc: string) => path({ doc, default: '' }, { empty: true });

const label = text(
  {
    doc:
      'Label that names the channel of a series, so that one query can return several channels. A series without it has the name ' +
      'of its query. Empty: each query is a channel.',
    default: '',
  },
  'the name of a label, or empty',
  (value) => /^([A-Za-z_][A-Za-z0-9_]*)?$/.test(value),
);

const section = {
  url: url({
    doc: 'Address of the server, to which `/api/v1/query_range` is appended; required.',
    default: '',
  }),
  queries: textByName(
    {
      doc:
        'PromQL queries by name; required. A query is the channel of this name, or the condition where `conditions` lists it. ' +
        'A series of its result is one device.',
      default: {},
    },
    'a map such as `{cpu: "rate(cpu_seconds_total[1m])"}`',
  ),
  step: duration(
    {
      doc: 'Time between two evaluations, at the multiples of this since 1970. Set `window.interval` to the same.',
      default: '15s',
    },
    { min: 1000, timer: true },
  ),
  keyLabels: names({
    doc:
      'Labels whose values are the key of a device, joined by `/`. Series of different queries with the same key make one record. ' +
      'Empty: all series are one device.',
    default: ['instance'],
  }),
  channelLabel: label,
  conditions: names({
    doc: 'Conditions of a record: the query with this name, or else the value of the label with this name.',
    default: [],
  }),
  delay: duration(
    {
      doc:
        'Time after which a step is evaluated. Samples that come late by less than this are used; each detection is late by as much. ' +
        'VictoriaMetrics needs more than its `-search.latencyOffset`, which is 30s.',
      default: '1m',
    },
    { timer: true },
  ),
  overlap: duration({
    doc:
      'Time before the next step that is read again with it. Records that were not there before came too late to be scored, and ' +
      'are counted as lost.',
    default: '5m',
  }),
  warmUp: duration({
    doc: 'Time that is read before the first scored step to fill the windows (warm-up), where no state is stored.',
    default: '1h',
  }),
  maxBatchRecords: whole(
    {
      doc: 'Batches end with the step that brings them to this size. A step is never divided.',
      default: 1000,
    },
    { max: 100_000 },
  ),
  maxSeries: whole(
    { doc: 'Most series that a query may return; with more, nothing is scored.', default: 10_000 },
    { max: 1_000_000 },
  ),
  maxPoints: whole(
    {
      doc: 'Most evaluation times of a request; longer times are split. Prometheus refuses more than 11000.',
      default: 11_000,
    },
    { max: 11_000 },
  ),
  timeout: duration({ doc: 'Timeout of one request.', default: '30s' }, { timer: true, min: 100 }),
  username: text({ doc: 'User for basic authentication. Empty: none.', default: '' }, 'a name, or empty'),
  password: secret({ doc: 'Password of the user, unless `passwordFile` is set.' }),
  passwordFile: optionalFile(
    'File with the password; takes precedence over `password`. Read again for each request.',
  ),
  tokenFile: optionalFile('File with a bearer token. Read again for each request. Empty: none.'),
  tenant: text(
    { doc: 'Tenant, sent as `X-Scope-OrgID`, which Mimir requires. Empty: none.', default: '' },
    'printable ASCII text, or empty',
    (value) => /^[\x21-\x7e]*$/.test(value),
  ),
  tls: {
    ca: optionalFile(
      'File of certificate authorities (PEM) to trust. Empty: the authorities that Node trusts.',
    ),
    cert: optionalFile(
      'File of the client certificate (PEM), where the server requires one. Read again for each request.',
    ),
    key: optionalFile(
      'File of the private key (PEM) of the client certificate. Read again for each request.',
    ),
  },
} satisfies Section;

export type PrometheusSettings = Parsed<typeof section>;

const list = (all: readonly string[]): string => all.map((name) => show(name)).join(', ');

const rules: readonly SectionRule<PrometheusSettings, RecordScope>[] = [
  {
    keys: ['url'],
    problem: (settings) => (settings.url === '' ? 'is required for a prometheus source' : undefined),
  },
  {
    keys: ['queries', 'conditions', 'channelLabel'],
    beside: ['record.channels', 'record.kind'],
    problem({ queries, conditions, channelLabel }, { record: { channels, kind } }) {
      if (kind === 'image') return 'has no images: record.kind must be `sensor`';
      const measured = queries.map(({ name }) => name).filter((name) => !conditions.includes(name));
      if (measured.length === 0)
        return 'is required for a prometheus source: at least one query of a channel';
      if (channelLabel !== '') return undefined;
      const missing = channels.filter((name) => !measured.includes(name));
      if (missing.length > 0)
        return `must have a query for each of record.channels (missing: ${list(missing)})`;
      const extra = measured.filter((name) => !channels.includes(name));
      return extra.length > 0
        ? `must name channels of record.channels, or conditions (not ${list(extra)})`
        : undefined;
    },
  },
  {
    keys: ['conditions', 'queries'],
    beside: ['record.conditions'],
    problem({ queries, conditions }, { record }) {
      const given = record.conditions.filter(({ kind }) => kind === 'category' || kind === 'number');
      const absent = given.map(({ name }) => name).filter((name) => !conditions.includes(name));
      if (absent.length > 0)
        return `must name every condition of record.conditions (missing: ${list(absent)})`;
      const numbers = given.filter(({ kind }) => kind === 'number').map(({ name }) => name);
      const labels = numbers.filter((name) => !queries.some((query) => query.name === name));
      return labels.length > 0 ? `of kind number must be queries, not labels (${list(labels)})` : undefined;
    },
  },
  {
    keys: ['queries'],
    beside: ['record.format'],
    problem: (_, { record }) =>
      record.format === 'json' ? undefined : `has JSON records, but record.format is ${show(record.format)}`,
  },
  {
    keys: ['username', 'password', 'passwordFile', 'tokenFile'],
    problem({ username, password, passwordFile, tokenFile }) {
      if (username === '') return passwordFile === '' ? undefined : 'is required where passwordFile is set';
      if (tokenFile !== '') return 'must be empty where tokenFile is set';
      return password === '' && passwordFile === ''
        ? 'needs a password: set VAEMON_PROMETHEUS_PASSWORD, or passwordFile'
        : undefined;
    },
  },
  {
    keys: ['tls.cert', 'tls.key'],
    problem: ({ tls: { cert, key } }) =>
      (cert === '') === (key === '') ? undefined : 'and tls.key must be set together',
  },
  {
    keys: ['tls', 'url'],
    problem: ({ tls, url: address }) =>
      address.startsWith('http://') && Object.values(tls).some((file) => file !== '')
        ? 'has no effect for a URL that begins with http://'
        : undefined,
  },
];

/** Time without a heartbeat after which another process may score, ms. */
const leaseTimeoutMs = 30_000;

/** Number of steps between two saves of the state. */
const saveEverySteps = 20;

/** Longest time between the stored state and the next step that is read again, ms. */
const maxReplayMs = 7 * 86_400_000;

export const prometheusSource: SourceSpec<typeof section> = {
  doc: 'queries of Prometheus, VictoriaMetrics, Thanos or Mimir (docs/prometheus.md).',
  section,
  rules,
  bounded: false,
  topic: () => prometheusTopic,
  state({ queries, stepMs, keyLabels, channelLabel, conditions }) {
    // State that was built with other queries has other values, so it is not used.
    const identity = JSON.stringify([queries, stepMs, keyLabels, channelLabel, conditions]);
    return {
      group: createHash('sha256').update(identity).digest('hex').slice(0, 16),
      saveEvery: saveEverySteps * stepMs,
      maxReplay: maxReplayMs,
    };
  },
  async create(settings, { log, observer, restorePoints, offsets, folder, shutdownTimeoutMs }) {
    const { createPrometheusClient } = await import('./client');
    const { createPrometheusSource } = await import('./prometheus');
    return createPrometheusSource({
      settings,
      queryRange: createPrometheusClient(settings),
      observer,
      restorePoints,
      offsets,
      acquireLease: () =>
        acquireLease({
          directory: dirname(folder),
          detector: basename(folder),
          duty: 'scores',
          timeoutMs: leaseTimeoutMs,
        }),
      log,
      // The remaining quarter is for the sinks.
      stopTimeoutMs: (3 * shutdownTimeoutMs) / 4,
    });
  },
  async createHistory(settings) {
    const { createPrometheusClient } = await import('./client');
    const { createPrometheusHistory } = await import('./history');
    return createPrometheusHistory(createPrometheusClient(settings), settings);
  },
};
