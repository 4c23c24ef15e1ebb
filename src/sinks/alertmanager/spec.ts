/** Sends events to Alertmanager. */
import { names, whole } from '../../schema/formats';
import { urls } from '../../schema/network-formats';
import { duration } from '../../schema/time-formats';
import type { Section } from '../../schema/key';
import { linksSection } from '../notification/describe';
import { endpointRules, endpointSection } from '../notification/endpoint';
import { filterSection } from '../notification/filter';
import { createLiveSettings } from '../notification/live-settings';
import type { SinkSpec } from '../spec';
import { splitLabel } from './alertmanager';

const section = {
  urls: urls({
    doc: 'Base URLs of Alertmanager, one for each replica; each gets all alerts. Empty: no alerts are sent.',
    default: [],
  }),
  repeat: duration(
    {
      doc: 'How often the alert of an open event is sent again. Without a further one it ends after four of these times.',
      default: '1m',
    },
    { min: 1_000, timer: true },
  ),
  minFiring: duration({
    doc:
      'How long an alert fires at least, also if its event ends sooner. Alertmanager does not notify of an alert that ends before ' +
      'its `group_wait`.',
    default: '5m',
  }),
  maxAlerts: whole({
    doc: 'Alerts at a time; the most surprising events have one. The others are counted as dropped.',
    default: 1_000,
  }),
  labels: names({
    doc:
      'Further labels, such as `team=pumps`. Those of each alert are `alertname` (`VaemonAnomaly`), `severity`, `detector`, `key` ' +
      'and `kind`.',
    default: [],
  }),
  ...endpointSection,
  links: linksSection,
  filter: filterSection,
} satisfies Section;

const fixedLabels = ['alertname', 'detector', 'key', 'kind'];

export const alertmanagerSink: SinkSpec<typeof section> = {
  section,
  rules: [
    ...endpointRules,
    {
      keys: ['labels'],
      problem({ labels }) {
        const bad = labels.find((label) => !/^[a-zA-Z_][a-zA-Z0-9_]*=./.test(label));
        if (bad !== undefined) return `must consist of \`name=value\` (got ${JSON.stringify(bad)})`;
        const fixed = labels.map((label) => splitLabel(label)[0]).find((name) => fixedLabels.includes(name));
        return fixed === undefined ? undefined : `must not contain \`${fixed}\`, which each alert has`;
      },
    },
  ],
  async create(settings, { log, openEvents, notifications }) {
    if (settings.urls.length === 0) return undefined;
    const live = createLiveSettings(settings);
    const { createAlertmanagerSink } = await import('./alertmanager');
    const sink = createAlertmanagerSink({
      ...live,
      openEvents,
      counts: notifications('alertmanager'),
      log,
    });
    return { sink, reload: (next) => live.reload(next) };
  },
};
