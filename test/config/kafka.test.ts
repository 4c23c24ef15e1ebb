import { join } from 'node:path';
import { loadSettings, type LoadOptions } from '../../src/config/load';
import type { DetectorSettings } from '../../src/config/settings';
import { ConfigError } from '../../src/errors';
import { removeFolders, writeFolder } from './folder';

afterEach(removeFolders);

/** The least that a detector of a Kafka topic must say, and more: lines under `source.kafka` and lines of its own. */
function kafkaDetector(lines = '', kafka = ''): string {
  return `detector: pump
source: { kind: kafka, kafka: { brokers: ["k:9092"], topic: in${kafka} } }
sinks: { kafka: { deadLetterTopic: dead } }
${lines.includes('record:') ? '' : 'record: { channels: [flow, pressure] }\n'}${lines}
`;
}

async function load(text: string, options: LoadOptions = { env: {} }): Promise<DetectorSettings> {
  const folder = await writeFolder({ 'pump.yaml': text });
  return (await loadSettings(join(folder, 'pump.yaml'), options)).detectors[0]!.settings;
}

/** The problems of a detector's file, as `key: message`. */
async function problemsIn(text: string, options?: LoadOptions): Promise<string[]> {
  const error: unknown = await load(text, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error('expected a ConfigError', { cause: error });
  return error.problems.map(({ key, message }) => `${key}: ${message}`);
}

const record = (more: string) => `record: { channels: [flow, pressure], ${more} }`;

describe('the format of records', () => {
  test('is JSON unless something else is said', async () => {
    expect((await load(kafkaDetector())).record.format).toBe('json');
    expect((await load(kafkaDetector(record('format: binary')))).record.format).toBe('binary');
  });

  test.each([
    [
      'a file',
      kafkaDetector(record('format: binary')).replace('kind: kafka,', 'kind: file, file: { path: a.csv },'),
      /^record\.format: is for a kafka source/,
    ],
    [
      'images',
      kafkaDetector('record: { kind: image, image: { width: 8, height: 8 }, format: binary }'),
      /^record\.format: is for sensor records alone/,
    ],
  ])('cannot be another one for %s', async (_, text, message) => {
    expect(await problemsIn(text)).toEqual([expect.stringMatching(message)]);
  });

  test('values may stand beside the other fields where channels that are not listed are ignored', async () => {
    const flat = "fields: { values: '' }\n";
    expect(await problemsIn(kafkaDetector(flat))).toEqual([
      expect.stringMatching(/^fields\.values: may be empty only with record\.extraChannels `ignore`/),
    ]);
    expect((await load(kafkaDetector(`${flat}${record('extraChannels: ignore')}`))).fields.values).toBe('');
  });
});
