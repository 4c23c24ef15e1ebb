/** Writes scores as Prometheus series. */
import { text, whole } from '../../schema/formats';
import { url } from '../../schema/network-formats';
import { duration } from '../../schema/time-formats';
import type { Section } from '../../schema/key';
import { endpointRules, endpointSection } from '../notification/endpoint';
import type { SinkSpec } from '../spec';

const section = {
  url: url({
    doc:
      'URL of a receiver of remote writes (1.0), such as `http://prometheus:9090/api/v1/write`. It gets `vaemon_record_surprise` and ' +
      '`vaemon_record_threshold` of each device, and `vaemon_record_expected` of each channel with its bounds `vaemon_record_expected_lower` and ' +
      '`vaemon_record_expected_upper`. Empty: none.',
    default: '',
  }),
  keyLabel: text(
    {
      doc: 'Label with the key. With `instance`, the series of a Prometheus source have the label that their query has.',
      default: 'key',
    },
    'the name of a label other than `detector` and `channel`',
    (value) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(value) && !/^(detector|channel|__name__)$/.test(value),
  ),
  maxDevices: whole({
    doc: 'Devices that have series: the first ones since the start. Each has two, and three more for each channel.',
    default: 1_000,
  }),
  interval: duration({ doc: 'Time between two requests.', default: '5s' }, { min: 100, timer: true }),
  maxQueued: whole({
    doc: 'Requests that wait for the receiver. The oldest of more are dropped, and counted.',
    default: 100,
  }),
  ...endpointSection,
} satisfies Section;

export const remoteWriteSink: SinkSpec<typeof section> = {
  section,
  rules: endpointRules,
  async create(settings, { detector: { detector }, log, notifications }) {
    if (settings.url === '') return undefined;
    const { createRemoteWriteSink } = await import('./remote-write');
    return { sink: createRemoteWriteSink({ settings, detector, counts: notifications('remoteWrite'), log }) };
  },
};
