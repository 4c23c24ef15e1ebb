/** Writes events as annotations of Grafana. */
import { names, path, reloadedWhileSet, whole } from '../../schema/formats';
import { identifier, url } from '../../schema/network-formats';
import type { Section } from '../../schema/key';
import { linksSection } from '../notification/describe';
import { endpointRules, endpointSection } from '../notification/endpoint';
import { filterSection } from '../notification/filter';
import { createLiveSettings } from '../notification/live-settings';
import type { SinkSpec } from '../spec';

const section = {
  url: reloadedWhileSet(
    url({
      doc: 'Base URL of Grafana, in which each event becomes an annotation. Empty: none.',
      default: '',
    }),
  ),
  tokenFile: path(
    {
      doc:
        'File with the token of a service account that may read, create and write annotations. It is read before each request. ' +
        'Empty: none is sent.',
      default: '',
      reloads: true,
    },
    { empty: true },
  ),
  dashboardUid: identifier(
    {
      doc:
        'UID of the dashboard that shows the annotations. Empty: any dashboard of the organisation can show them by their tags, as ' +
        'those of deploy/grafana do.',
      default: '',
      reloads: true,
    },
    { empty: true },
  ),
  tags: names({
    doc: 'Tags of each annotation, in addition to `detector:…`, `key:…`, `kind:…` and one of its event.',
    default: ['vaemon'],
    reloads: true,
  }),
  maxQueued: whole({
    doc: 'Annotations that wait for Grafana. The oldest of more are dropped, and counted.',
    default: 1_000,
  }),
  ...endpointSection,
  links: linksSection,
  filter: filterSection,
} satisfies Section;

export const grafanaSink: SinkSpec<typeof section> = {
  section,
  rules: endpointRules,
  async create(settings, { log, openEvents, fleet, notifications }) {
    if (settings.url === '') return undefined;
    const live = createLiveSettings(settings);
    const { createGrafanaSink } = await import('./grafana');
    const sink = createGrafanaSink({
      ...live,
      openEvents,
      fleet,
      counts: notifications('grafana'),
      log,
    });
    return { sink, reload: (next) => live.reload(next) };
  },
};
