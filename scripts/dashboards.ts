/**
 * The dashboards of deploy/grafana/dashboards; test/deploy.test.ts compares the files with them. They have never been rendered by
 * a Grafana server here: their queries are executed by a real Prometheus in test/integration/prometheus.test.ts.
 */

interface Query {
  expr: string;
  legend: string;
}

interface Panel {
  /** Without the place, the number and the data source. */
  [field: string]: unknown;
  width: number;
  height: number;
  queries: readonly Query[];
  instant?: boolean;
  format?: 'heatmap' | 'table';
}

interface Row {
  title: string;
  panels: readonly Panel[];
}

const prometheus = { type: 'prometheus', uid: '${datasource}' };
/** Columns of a dashboard. */
const columns = 24;

const query = (expr: string, legend: string): Query => ({ expr, legend });

interface PanelOptions {
  title: string;
  description: string;
  unit: string;
  width: number;
  height?: number;
}

function stat(
  { title, description, unit, width, height = 4 }: PanelOptions,
  queries: readonly Query[],
  {
    textMode = 'auto',
    thresholds,
    mappings,
  }: { textMode?: string; thresholds?: unknown; mappings?: unknown } = {},
): Panel {
  return {
    type: 'stat',
    title,
    description,
    width,
    height,
    fieldConfig: {
      defaults: {
        unit,
        ...(thresholds !== undefined && { thresholds }),
        ...(mappings !== undefined && { mappings }),
      },
      overrides: [],
    },
    options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'none', textMode },
    queries,
    instant: true,
  };
}

/** Green, and another colour from a value on. */
const warnsFrom = (value: number, colour = 'orange', below = 'green') => ({
  mode: 'absolute',
  steps: [
    { color: below, value: null },
    { color: colour, value },
  ],
});

/** Series whose name contains `threshold`, `target` or `expected` are dashed. */
const dashed = {
  matcher: { id: 'byRegexp', options: '/threshold|target|expected/' },
  properties: [
    { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
    { id: 'color', value: { mode: 'fixed', fixedColor: 'red' } },
  ],
};

function timeseries(
  { title, description, unit, width, height = 8 }: PanelOptions,
  queries: readonly Query[],
  { isSigned = false } = {},
): Panel {
  const hasBound = queries.some(({ legend }) => /threshold|target|expected/.test(legend));
  return {
    type: 'timeseries',
    title,
    description,
    width,
    height,
    fieldConfig: {
      defaults: { unit, ...(!isSigned && { min: 0 }) },
      overrides: hasBound ? [dashed] : [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    queries,
  };
}

function heatmap({ title, description, width, height = 9 }: Omit<PanelOptions, 'unit'>, one: Query): Panel {
  return {
    type: 'heatmap',
    title,
    description,
    width,
    height,
    fieldConfig: { defaults: { unit: 'short' }, overrides: [] },
    options: {
      calculate: false,
      yAxis: { unit: 'short', decimals: 1 },
      color: { mode: 'scheme', scheme: 'Oranges', scale: 'exponential', exponent: 0.3 },
      cellGap: 1,
      tooltip: { show: true, yHistogram: true },
    },
    queries: [one],
    format: 'heatmap',
  };
}

/** Open events, one line each, that link to the dashboard of their device. */
function eventTable(selector: string): Panel {
  const hidden = ['Time', 'instance', 'job', '__name__'];
  return {
    type: 'table',
    title: 'Open events by device',
    description:
      'The most surprising open events (metrics.openEvents). The device links to its dashboard. Silent devices have no channel and no value.',
    width: columns,
    height: 9,
    fieldConfig: {
      defaults: { unit: 'short' },
      overrides: [
        {
          matcher: { id: 'byName', options: 'key' },
          properties: [
            {
              id: 'links',
              value: [
                {
                  title: 'Device',
                  url: '/d/vaemon-device?var-detector=${__data.fields.detector}&var-key=${__data.fields.key:percentencode}&${__url_time_range}',
                },
              ],
            },
          ],
        },
      ],
    },
    options: { showHeader: true, sortBy: [{ displayName: 'surprise', desc: true }] },
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: Object.fromEntries(hidden.map((name) => [name, true])),
          renameByName: {
            'Value #A': 'surprise',
            'Value #B': 'value',
            'Value #C': 'expected',
            'Value #D': 'devices',
          },
        },
      },
    ],
    queries: [
      query(`max by (detector, key, channel, kind) (vaemon_event_open{${selector}})`, 'surprise'),
      query(`max by (detector, key, channel, kind) (vaemon_event_value{${selector}})`, 'value'),
      query(`max by (detector, key, channel, kind) (vaemon_event_expected{${selector}})`, 'expected'),
      query(`max by (detector, key, channel, kind) (vaemon_event_devices{${selector}})`, 'devices'),
    ],
    instant: true,
    format: 'table',
  };
}

const own = 'detector=~"$detector"';

const health: Row = {
  title: 'Health',
  panels: [
    stat(
      {
        title: 'Ready',
        description: 'The detector has its source and a model and scores records.',
        unit: 'short',
        width: 4,
      },
      [query(`min by (detector) (vaemon_ready{${own}})`, '{{detector}}')],
      {
        thresholds: warnsFrom(1, 'green', 'red'),
        mappings: [{ type: 'value', options: { '0': { text: 'no' }, '1': { text: 'yes' } } }],
      },
    ),
    stat(
      {
        title: 'Open events',
        description: 'An event merges anomalies of one key that follow each other closely.',
        unit: 'short',
        width: 4,
      },
      [query(`sum by (detector) (vaemon_events_open{${own}})`, '{{detector}}')],
      { thresholds: warnsFrom(1) },
    ),
    stat(
      { title: 'Model', description: 'Model version in use.', unit: 'short', width: 6 },
      [query(`vaemon_model_info{${own}}`, '{{detector}}: {{model}}')],
      { textMode: 'name' },
    ),
    stat(
      {
        title: 'Model age',
        description: 'Time since the model version in use was trained.',
        unit: 's',
        width: 4,
      },
      [query(`max by (detector) (vaemon_model_age_seconds{${own}})`, '{{detector}}')],
      { thresholds: warnsFrom(604_800) },
    ),
    stat(
      {
        title: 'Running',
        description: 'Version of vaemon, engine and version of Node.js of each process.',
        unit: 'short',
        width: 6,
      },
      [query('vaemon_build_info', '{{instance}}: {{version}} on {{engine}}, Node {{node}}')],
      { textMode: 'name' },
    ),
  ],
};

const surpriseQuantile = (quantile: number, name: string): Query =>
  query(
    `histogram_quantile(${quantile}, sum by (detector, le) (rate(vaemon_surprise_bucket{${own}}[$__rate_interval])))`,
    `{{detector}} ${name}`,
  );

const surprise: Row = {
  title: 'Surprise: -log10 of the calibrated p-value',
  panels: [
    heatmap(
      {
        title: 'Surprise of the scored records',
        description: 'With each step of 1, normal records become ten times rarer.',
        width: 12,
      },
      query(`sum by (le) (increase(vaemon_surprise_bucket{${own}}[$__rate_interval]))`, '{{le}}'),
    ),
    timeseries(
      {
        title: 'Quantiles and threshold',
        description: 'The threshold is -log10 of the false-alarm target.',
        unit: 'short',
        width: 12,
        height: 9,
      },
      [
        surpriseQuantile(0.5, 'median'),
        surpriseQuantile(0.99, '99 %'),
        surpriseQuantile(0.999, '99.9 %'),
        query(
          `-log10(min by (detector) (vaemon_false_alarm_target_ratio{${own}}))`,
          '{{detector}} threshold',
        ),
      ],
    ),
  ],
};

const anomalies: Row = {
  title: 'Anomalies and false alarms',
  panels: [
    timeseries(
      { title: 'Anomalous records', description: 'Anomalous records per minute.', unit: 'cpm', width: 8 },
      [
        query(
          `60 * sum by (detector) (rate(vaemon_anomalies_total{${own}}[$__rate_interval]))`,
          '{{detector}}',
        ),
      ],
    ),
    timeseries(
      {
        title: 'Events',
        description:
          'Events opened or held back in each interval, events open at its end, and the spent share of the alarm budget (1 = no event opens).',
        unit: 'short',
        width: 8,
      },
      [
        query(
          `sum by (detector) (increase(vaemon_events_total{${own}}[$__rate_interval]))`,
          '{{detector}} opened',
        ),
        query(`sum by (detector) (vaemon_events_open{${own}})`, '{{detector}} open'),
        query(
          `sum by (detector) (increase(vaemon_events_held_back_total{${own}}[$__rate_interval]))`,
          '{{detector}} held back',
        ),
        query(`max by (detector) (vaemon_alarm_budget_spent_ratio{${own}})`, '{{detector}} budget spent'),
      ],
    ),
    timeseries(
      {
        title: 'Alarm ratio and its target',
        description:
          'Share of anomalous records among the last 10,000. A ratio far above the target means an incident or drift.',
        unit: 'percentunit',
        width: 8,
      },
      [
        query(`max by (detector) (vaemon_alarm_ratio{${own}})`, '{{detector}} ratio'),
        query(`min by (detector) (vaemon_false_alarm_target_ratio{${own}})`, '{{detector}} target'),
      ],
    ),
  ],
};

const recordsBy = (metric: string, name: string): Query =>
  query(`sum(rate(vaemon_records_${metric}_total{${own}}[$__rate_interval]))`, name);

const records: Row = {
  title: 'Records',
  panels: [
    timeseries(
      {
        title: 'Records by result',
        description: 'Each consumed record is counted in one of the other series.',
        unit: 'cps',
        width: 8,
      },
      [
        recordsBy('consumed', 'consumed'),
        recordsBy('scored', 'scored'),
        recordsBy('window_not_full', 'window not full'),
        recordsBy('warm_up', 'warm-up'),
        recordsBy('rejected', 'rejected'),
        recordsBy('ignored', 'ignored'),
      ],
    ),
    timeseries(
      {
        title: 'Rejected by reason',
        description: 'Each rejected record is in the dead letters with its reason and origin.',
        unit: 'cps',
        width: 8,
      },
      [
        query(
          `sum by (reason) (rate(vaemon_records_rejected_total{${own}}[$__rate_interval]))`,
          '{{reason}}',
        ),
      ],
    ),
    timeseries(
      {
        title: 'Consumer lag',
        description: 'Records after the newest batch, summed over the partitions.',
        unit: 'short',
        width: 8,
      },
      [query(`sum by (detector, topic) (vaemon_consumer_lag_records{${own}})`, '{{detector}} {{topic}}')],
    ),
    timeseries(
      {
        title: 'Unknown conditions',
        description:
          'Condition values that are not in the training records; they are scored as the unknown category.',
        unit: 'cps',
        width: 8,
      },
      [
        query(
          `sum by (detector) (rate(vaemon_unknown_conditions_total{${own}}[$__rate_interval]))`,
          '{{detector}}',
        ),
      ],
    ),
    timeseries(
      {
        title: 'Keys in memory',
        description: 'Keys that have a window in memory; window.maxKeys is the limit.',
        unit: 'short',
        width: 8,
      },
      [query(`sum by (detector) (vaemon_window_keys{${own}})`, '{{detector}}')],
    ),
    timeseries(
      {
        title: 'Errors of sources and sinks',
        description:
          'Errors in each interval that are retried, and records that the topic deleted before they were consumed.',
        unit: 'short',
        width: 8,
      },
      [
        query(
          `sum by (detector) (increase(vaemon_source_errors_total{${own}}[$__rate_interval]))`,
          '{{detector}} source',
        ),
        query(
          `sum by (detector, sink) (increase(vaemon_sink_errors_total{${own}}[$__rate_interval]))`,
          '{{detector}} sink {{sink}}',
        ),
        query(
          `sum by (detector) (increase(vaemon_records_lost_total{${own}}[$__rate_interval]))`,
          '{{detector}} records lost',
        ),
      ],
    ),
  ],
};

const notificationsBy = (metric: string, name: string): Query =>
  query(
    `sum by (detector, sink) (increase(vaemon_${metric}_total{${own}}[$__rate_interval]))`,
    `{{sink}} ${name}`,
  );

const notifications: Row = {
  title: 'Notifications',
  panels: [
    timeseries(
      {
        title: 'Notifications by result',
        description:
          'Openings and ends of events that receivers accepted, those that are lost, and requests that are repeated.',
        unit: 'short',
        width: 12,
      },
      [
        notificationsBy('notifications_delivered', 'delivered'),
        notificationsBy('notifications_dropped', 'dropped'),
        notificationsBy('notifications_refused', 'refused'),
        notificationsBy('notification_failures', 'repeated'),
      ],
    ),
    timeseries(
      {
        title: 'Waiting notifications, and unlisted events',
        description:
          'Notifications that wait for their receiver, and events in each interval that were too short or not surprising enough for a series of their own.',
        unit: 'short',
        width: 12,
      },
      [
        query(`sum by (detector, sink) (vaemon_notifications_queued{${own}})`, '{{sink}} waiting'),
        query(`sum by (detector) (vaemon_events_open_unlisted{${own}})`, '{{detector}} open and unlisted'),
        query(
          `sum by (detector) (increase(vaemon_events_unlisted_total{${own}}[$__rate_interval]))`,
          '{{detector}} unlisted',
        ),
      ],
    ),
  ],
};

const batchQuantile = (title: string, quantile: number): Panel =>
  timeseries(
    {
      title: `Batch duration by stage, ${title}`,
      description: 'Time of a batch in each stage; `total` covers all of them.',
      unit: 's',
      width: 12,
    },
    [
      query(
        `histogram_quantile(${quantile}, sum by (stage, le) (rate(vaemon_batch_duration_seconds_bucket{${own}}[$__rate_interval])))`,
        '{{stage}}',
      ),
    ],
  );

const batches: Row = {
  title: 'Batch duration',
  panels: [batchQuantile('median', 0.5), batchQuantile('99 %', 0.99)],
};

const model: Row = {
  title: 'Model and training',
  panels: [
    timeseries(
      { title: 'Model age', description: 'Each drop is a new model version.', unit: 's', width: 8 },
      [query(`max by (detector) (vaemon_model_age_seconds{${own}})`, '{{detector}}')],
    ),
    timeseries(
      {
        title: 'Trainings by result',
        description: 'Trainings that ended in each interval, and trainings in progress.',
        unit: 'short',
        width: 8,
      },
      [
        query(`sum by (result) (increase(vaemon_trainings_total{${own}}[$__rate_interval]))`, '{{result}}'),
        query(`sum(vaemon_training_running{${own}})`, 'running'),
      ],
    ),
    timeseries(
      {
        title: 'Mean duration of a training',
        description: 'Mean of the trainings that ended in the last day.',
        unit: 's',
        width: 8,
      },
      [
        query(
          `sum by (detector) (increase(vaemon_training_duration_seconds_sum{${own}}[1d])) / sum by (detector) (increase(vaemon_training_duration_seconds_count{${own}}[1d]))`,
          '{{detector}}',
        ),
      ],
    ),
    timeseries(
      {
        title: 'Swaps and load failures',
        description: 'Model versions that replaced another one, and those that could not be loaded.',
        unit: 'short',
        width: 8,
      },
      [
        query(
          `sum by (detector) (increase(vaemon_model_swaps_total{${own}}[$__rate_interval]))`,
          '{{detector}} swap',
        ),
        query(
          `sum by (detector, reason) (increase(vaemon_model_load_failures_total{${own}}[$__rate_interval]))`,
          '{{detector}} load failure: {{reason}}',
        ),
      ],
    ),
    timeseries(
      {
        title: 'Drift',
        description: 'Logarithm of the evidence for drift, divided by the required one. 1 is drift.',
        unit: 'short',
        width: 8,
      },
      [query(`max by (detector) (vaemon_drift_evidence_ratio{${own}})`, '{{detector}}')],
    ),
    timeseries(
      {
        title: 'Detection power',
        description:
          'Share found of the faults that were put into copies of normal records, by kind, and its mean at the training.',
        unit: 'percentunit',
        width: 8,
      },
      [
        query(`avg by (detector, kind) (vaemon_detection_power_ratio{${own}})`, '{{detector}} {{kind}}'),
        query(
          `avg by (detector) (vaemon_detection_power_trained_ratio{${own}})`,
          '{{detector}} mean at training',
        ),
      ],
    ),
  ],
};

const processRow: Row = {
  title: 'Process',
  panels: [
    timeseries({ title: 'CPU', description: 'CPU cores in use.', unit: 'short', width: 6 }, [
      query('rate(process_cpu_seconds_total{job="vaemon"}[$__rate_interval])', '{{instance}}'),
    ]),
    timeseries(
      {
        title: 'Memory',
        description: 'Resident memory, and the JavaScript heap in it.',
        unit: 'bytes',
        width: 6,
      },
      [
        query('process_resident_memory_bytes{job="vaemon"}', '{{instance}} resident'),
        query('nodejs_heap_size_used_bytes{job="vaemon"}', '{{instance}} heap'),
      ],
    ),
    timeseries(
      {
        title: 'Event loop lag, 99 %',
        description: 'A long lag delays heartbeats to Kafka.',
        unit: 's',
        width: 6,
      },
      [query('nodejs_eventloop_lag_p99_seconds{job="vaemon"}', '{{instance}}')],
    ),
    timeseries(
      {
        title: 'Time in garbage collection',
        description: 'Share of the time, by kind of collection.',
        unit: 'percentunit',
        width: 6,
      },
      [
        query(
          'sum by (instance, kind) (rate(nodejs_gc_duration_seconds_sum{job="vaemon"}[$__rate_interval]))',
          '{{instance}} {{kind}}',
        ),
      ],
    ),
  ],
};

/** Grafana escapes the value of a variable with one value for `=`, and not for `=~`. */
const device = `${own},key="$key"`;
const byChannel = (metric: string): string =>
  `max by (detector, key, channel) (vaemon_event_${metric}{${device}})`;

const deviceRow: Row = {
  title: '$key',
  panels: [
    stat(
      {
        title: 'Open events',
        description: 'Open events of the device that are among the most surprising of the detector.',
        unit: 'short',
        width: 6,
      },
      [query(`count(vaemon_event_open{${device}}) or vector(0)`, 'open')],
      { thresholds: warnsFrom(1) },
    ),
    stat(
      {
        title: 'Largest surprise',
        description:
          'Peak surprise in the time range; with each step of 1, normal records become ten times rarer.',
        unit: 'short',
        width: 6,
      },
      [query(`max(max_over_time(vaemon_event_open{${device}}[$__range]))`, 'surprise')],
      { thresholds: warnsFrom(5, 'red', 'orange') },
    ),
    stat(
      {
        title: 'Leading channels',
        description: 'Channels that led an event in the time range.',
        unit: 'short',
        width: 6,
      },
      [query(`max by (channel) (max_over_time(vaemon_event_open{${device}}[$__range]))`, '{{channel}}')],
      { textMode: 'name' },
    ),
    stat(
      {
        title: 'Devices in the event',
        description: 'More than one where devices fell silent together.',
        unit: 'short',
        width: 6,
      },
      [query(`max(max_over_time(vaemon_event_devices{${device}}[$__range]))`, 'devices')],
    ),
    timeseries(
      {
        title: 'Surprise of open events',
        description: 'Peak surprise so far; a gap means that no event is open.',
        unit: 'short',
        width: 12,
      },
      [
        query(`max by (key, kind) (vaemon_event_open{${device}})`, '{{key}} {{kind}}'),
        query(`-log10(min(vaemon_false_alarm_target_ratio{${own}}))`, 'threshold'),
      ],
    ),
    timeseries(
      {
        title: 'Leading channel and its expected value',
        description: 'At the most unusual record of the event so far.',
        unit: 'short',
        width: 12,
      },
      [
        query(byChannel('value'), '{{key}} {{channel}}'),
        query(byChannel('expected'), '{{key}} {{channel}} expected'),
      ],
      { isSigned: true },
    ),
  ],
};

/** Marks of Prometheus: an event while it is open, and a new model version. */
const annotations = (events: string, tags: readonly string[]) => ({
  list: [
    {
      name: 'New model version',
      datasource: prometheus,
      enable: true,
      iconColor: 'blue',
      expr: `changes(vaemon_model_created_timestamp_seconds{${own}}[1m]) > 0`,
      titleFormat: '{{detector}}: new model version',
    },
    {
      name: 'Events',
      datasource: prometheus,
      enable: true,
      iconColor: 'red',
      expr: `max by (detector, key, kind) (vaemon_event_open{${events}})`,
      titleFormat: '{{key}}: {{kind}}',
      textFormat: 'surprise {{value}}',
    },
    {
      name: 'Events of sinks.grafana',
      datasource: { type: 'grafana', uid: '-- Grafana --' },
      enable: true,
      iconColor: 'orange',
      target: { type: 'tags', tags, matchAny: false, limit: 100 },
    },
  ],
});

const datasourceVariable = {
  name: 'datasource',
  label: 'Data source',
  type: 'datasource',
  query: 'prometheus',
  current: {},
  hide: 0,
};

function queryVariable(name: string, label: string, definition: string, withAll: boolean) {
  return {
    name,
    label,
    type: 'query',
    datasource: prometheus,
    query: { query: definition, refId: name },
    definition,
    includeAll: withAll,
    multi: withAll,
    ...(withAll && { allValue: '.*', current: { text: 'All', value: '$__all' } }),
    // With each change of the time range: events end.
    refresh: 2,
    sort: 1,
  };
}

const detectorDefinition = 'label_values(vaemon_ready, detector)';

interface DashboardOptions {
  uid: string;
  title: string;
  description: string;
  rows: readonly Row[];
  variables: readonly unknown[];
  annotations: unknown;
}

function dashboard({ uid, title, description, rows, variables, annotations: marks }: DashboardOptions) {
  return {
    uid,
    title,
    description,
    tags: ['vaemon'],
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    schemaVersion: 39,
    version: 1,
    timezone: 'browser',
    time: { from: 'now-6h', to: 'now' },
    links: [
      {
        type: 'dashboards',
        title: 'vaemon',
        tags: ['vaemon'],
        asDropdown: true,
        includeVars: true,
        keepTime: true,
      },
    ],
    templating: { list: [datasourceVariable, ...variables] },
    annotations: marks,
    panels: place(rows),
  };
}

/** Numbers the panels and places them: from left to right, in lines below each other. */
function place(rows: readonly Row[]) {
  const placed: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    placed.push({
      id: placed.length + 1,
      type: 'row',
      title,
      gridPos: { x: 0, y, w: columns, h: 1 },
      collapsed: false,
      panels: [],
    });
    y++;
    let x = 0;
    let lineHeight = 0;
    for (const { width, height, queries, instant, format, ...panel } of panels) {
      if (x + width > columns) {
        y += lineHeight;
        x = 0;
        lineHeight = 0;
      }
      placed.push({
        id: placed.length + 1,
        ...panel,
        datasource: prometheus,
        gridPos: { x, y, w: width, h: height },
        targets: queries.map(({ expr, legend }, i) => ({
          refId: String.fromCharCode('A'.charCodeAt(0) + i),
          datasource: prometheus,
          expr,
          legendFormat: legend,
          ...(instant === true && { instant }),
          ...(format !== undefined && { format }),
        })),
      });
      x += width;
      lineHeight = Math.max(lineHeight, height);
    }
    y += lineHeight;
  }
  return placed;
}

/** By the name of their file in deploy/grafana/dashboards. */
export const dashboards = {
  'vaemon.json': dashboard({
    uid: 'vaemon',
    title: 'vaemon',
    description:
      'All detectors: health, open events by device, alarms against their target, records, processes.',
    variables: [queryVariable('detector', 'Detector', detectorDefinition, true)],
    annotations: annotations(own, ['vaemon']),
    rows: [
      health,
      { title: 'Events', panels: [eventTable(own)] },
      anomalies,
      records,
      notifications,
      processRow,
    ],
  }),
  'vaemon-detector.json': dashboard({
    uid: 'vaemon-detector',
    title: 'vaemon: one detector',
    description: 'One detector: its surprise, events, records, batches, model and trainings.',
    variables: [queryVariable('detector', 'Detector', detectorDefinition, false)],
    annotations: annotations(own, ['vaemon', 'detector:$detector']),
    rows: [
      health,
      { title: 'Events', panels: [eventTable(own)] },
      surprise,
      anomalies,
      records,
      batches,
      model,
      notifications,
    ],
  }),
  'vaemon-device.json': dashboard({
    uid: 'vaemon-device',
    title: 'vaemon: one device',
    description:
      'The events of one device, as far as they are or were among the most surprising ones of their detector (metrics.openEvents).',
    variables: [
      queryVariable('detector', 'Detector', detectorDefinition, false),
      queryVariable('key', 'Device', 'label_values(vaemon_event_open{detector=~"$detector"}, key)', false),
    ],
    annotations: annotations(device, ['vaemon', 'detector:$detector', 'key:$key']),
    rows: [deviceRow, { title: 'Events', panels: [eventTable(device)] }],
  }),
};
