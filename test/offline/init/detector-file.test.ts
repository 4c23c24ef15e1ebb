/** The file of a proposed detector. */
import { parse } from 'yaml';
import { renderDetector, usualTarget } from '../../../src/offline/init/detector-file';
import { infer } from '../../../src/offline/init/inference/infer';
import { loadText } from '../../../src/offline/init/load-text';
import type { SampleOrigin } from '../../../src/offline/init/origin';
import type { SampleFormat } from '../../../src/offline/init/recorded-sample';
import type { Sample } from '../../../src/offline/init/inference/sample';
import { interleaved, pumps, sampleOf, t0 } from './samples';

function render(records: readonly object[], origin: SampleOrigin): string {
  return renderSample(sampleOf(records), origin, { kind: 'json' });
}

function renderSample(sample: Sample, origin: SampleOrigin, format: SampleFormat): string {
  return renderDetector({
    name: 'plant',
    origin,
    recorded: { format, sample, read: sample.records, isMore: false, share: 1, notes: [] },
    proposal: infer(sample),
    historyRecords: 100,
    target: usualTarget,
    priceLines: [],
  });
}

const topic: SampleOrigin = {
  kind: 'kafka',
  brokers: ['a:9093', 'b:9093'],
  topic: 'plant.sensors',
  registry: '',
  connection: {
    'tls.enabled': 'true',
    'tls.ca': '/etc/ca.pem',
    'sasl.mechanism': 'scram-sha-256',
    'sasl.username': 'vaemon',
    'sasl.passwordFile': '/run/secrets/kafka',
  },
};

test('settings of the connection become part of the file', async () => {
  const text = render(pumps(50), topic);
  expect(parse(text)).toMatchObject({
    source: {
      kafka: {
        brokers: ['a:9093', 'b:9093'],
        tls: { enabled: true, ca: '/etc/ca.pem' },
        sasl: { mechanism: 'scram-sha-256', username: 'vaemon', passwordFile: '/run/secrets/kafka' },
      },
    },
  });
  const { source } = await loadText(text, {});
  expect(source).toMatchObject({ kafka: { topic: 'plant.sensors', tls: { enabled: true } } });
});

test('names from records can end neither a comment nor a value', async () => {
  const records = interleaved(80, 2, (i, device, normal) => ({
    timestamp: t0 + i * 1000,
    key: `d${device}`,
    'a: [b]': normal(),
    "it's #1": normal(),
    'note\nmodel: { kind: vae }': 'same',
    'note\u2028training: {}': 'same',
  }));
  const text = render(records, { kind: 'file', path: "it's\nhere.ndjson" });
  expect(parse(text)).not.toHaveProperty('model');
  expect(parse(text)).not.toHaveProperty('training');
  expect((await loadText(text, {})).record.channels).toEqual(['a: [b]', "it's #1"]);
});

test('many channels are a list of lines', () => {
  const wide = interleaved(80, 1, (i, _, normal) => ({
    timestamp: t0 + i * 1000,
    key: 'a',
    ...Object.fromEntries(Array.from({ length: 40 }, (_unused, c) => [`channel_${c}`, normal()])),
  }));
  const text = render(wide, topic);
  expect(text).toContain('\n    - channel_0\n    - channel_1\n');
  expect((parse(text) as { record: { channels: string[] } }).record.channels).toHaveLength(40);
});

test('a doubt about the device of a CSV file is marked at the column that the file names', () => {
  const text = renderSample(
    sampleOf(
      interleaved(80, 2, (i, device, normal) => ({
        when: new Date(t0 + i * 1000).toISOString(),
        Pumpe: `P${device}`,
        flow: normal(),
      })),
    ),
    { kind: 'file', path: 'pumps.csv' },
    { kind: 'csv', separator: ';' },
  );
  expect(text).toMatch(
    /columns:\n +# CHECK: the field is chosen only for its name or its values\n +key: Pumpe\n/,
  );
});
