/** Sends events to a webhook. */
import { path, reloadedWhileSet, whole } from '../../schema/formats';
import { url } from '../../schema/network-formats';
import type { Section } from '../../schema/key';
import { linksSection } from '../notification/describe';
import { endpointRules, endpointSection } from '../notification/endpoint';
import { filterSection } from '../notification/filter';
import { createLiveSettings } from '../notification/live-settings';
import type { SinkSpec } from '../spec';

const section = {
  url: reloadedWhileSet(
    url({
      doc: 'URL to which each event is posted when it opens and when it ends. Empty, and no `urlFile`: none.',
      default: '',
    }),
  ),
  urlFile: reloadedWhileSet(
    path(
      {
        doc: 'File with the URL, where that contains a secret. It is read before each request.',
        default: '',
      },
      { empty: true },
    ),
  ),
  template: path(
    {
      doc:
        'JSON file of the body, whose strings contain fields such as `{{summary}}` (docs/notifications.md). Empty: `type`, ' +
        '`timestamp` and `data` with the whole event.',
      default: '',
    },
    { empty: true },
  ),
  secretFile: path(
    {
      doc:
        'File with the secret that signs requests (HMAC-SHA256, Standard Webhooks). It is read before each request. Empty: not ' +
        'signed.',
      default: '',
      reloads: true,
    },
    { empty: true },
  ),
  maxQueued: whole({
    doc: 'Messages that wait for the receiver. The oldest of more are dropped, and counted.',
    default: 1_000,
  }),
  ...endpointSection,
  links: linksSection,
  filter: filterSection,
} satisfies Section;

export const webhookSink: SinkSpec<typeof section> = {
  section,
  rules: [
    ...endpointRules,
    {
      keys: ['urlFile', 'url'],
      problem: ({ url: given, urlFile }) =>
        given !== '' && urlFile !== '' ? 'must be empty where url is set' : undefined,
    },
  ],
  async create(settings, { log, openEvents, fleet, notifications }) {
    if (settings.url === '' && settings.urlFile === '') return undefined;
    const live = createLiveSettings(settings);
    const { createWebhookSink } = await import('./webhook');
    const sink = createWebhookSink({
      ...live,
      openEvents,
      fleet,
      counts: notifications('webhook'),
      log,
    });
    return { sink, reload: (next) => live.reload(next) };
  },
};
