import { loadSettings } from '../../../src/config/load';
import { createConfiguredSinks } from '../../../src/sinks/configured';
import { configuredSource } from '../../../src/sources/configured';
import type { Source } from '../../../src/sources/source';
import { removeFolders, writeFolder } from '../../config/folder';
import { createRecordedLog } from '../../runtime/recorded-log';
import { startBroker, type TestBroker } from './broker';

jest.setTimeout(240_000);

let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterAll(async () => {
  await removeFolders();
  await broker.remove();
});

async function settingsOf(brokers: string) {
  const folder = await writeFolder({
    'ham.yaml': `detector: ham
source: { kind: kafka, kafka: { brokers: ['${brokers}'], topic: ham.sensor } }
record: { channels: [flow] }
sinks: { kafka: { enabled: true, detectionsTopic: ham.detections, deadLetterTopic: ham.dead } }
`,
  });
  const { detectors } = await loadSettings(`${folder}/ham.yaml`, { env: {} });
  return detectors[0]!.settings;
}

test('topics that do not exist are named by history, source and sink, in one line each', async () => {
  const { source, sinks, delivery } = await settingsOf(broker.bootstrap);
  const log = createRecordedLog();
  const context = { log, folder: '', records: undefined, timestampFormat: 'auto' as const, timeZone: '' };
  const missing = (topics: string, verb: string) =>
    `${topics} not exist on ${broker.bootstrap}, or may not be ${verb}`;

  const history = await configuredSource(source).createHistory(context);
  const read = history({ from: undefined, to: undefined, maxRecords: 10 })[Symbol.asyncIterator]();
  await expect(read.next()).rejects.toThrow(missing('topic ham.sensor does', 'read'));

  const errors: string[] = [];
  let running: Source | undefined;
  const reported = new Promise<void>((resolve) => {
    void configuredSource(source)
      .create({
        ...context,
        channels: ['flow'],
        observer: {
          error(error) {
            errors.push(error.message);
            resolve();
          },
          info: () => undefined,
          gap: () => undefined,
        },
        restorePoints: { keepOnly: () => undefined, restorePoint: () => Promise.resolve(undefined) },
        committer: undefined,
        offsets: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
        onPassEnd: () => undefined,
        shutdownTimeoutMs: 4_000,
      })
      .then((created) => {
        running = created;
        void created.run(() => Promise.resolve());
      });
  });
  await reported;
  await running!.stop();
  expect(errors[0]).toBe(missing('topic ham.sensor does', 'read'));
  expect(running!.ready().ready).toBe(false);

  const [created] = (
    await createConfiguredSinks(sinks, {
      detector: { detector: 'pump', source, delivery },
      log,
      onTransaction: () => undefined,
      openEvents: () => [],
      notifications: () => {
        throw new Error('no sink for people is configured');
      },
    })
  ).filter(({ sink }) => sink.name === 'kafka');
  const letter = {
    detector: 'ham',
    reason: 'not_json',
    message: 'is not JSON',
    origin: { topic: 'ham.sensor', partition: 0, offset: '0' },
    key: null,
    value: null,
  } as const;
  await expect(created!.sink.write({ detections: [], events: [], deadLetters: [letter] })).rejects.toThrow(
    missing('topics ham.detections, ham.dead do', 'written'),
  );
  await created!.sink.close();
  expect(log.entries.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
});

test('brokers that do not answer are named', async () => {
  const { source } = await settingsOf('127.0.0.1:9');
  const context = {
    log: createRecordedLog(),
    folder: '',
    records: undefined,
    timestampFormat: 'auto' as const,
    timeZone: '',
  };
  const history = await configuredSource(source).createHistory(context);
  const read = history({ from: undefined, to: undefined, maxRecords: 10 })[Symbol.asyncIterator]();
  await expect(read.next()).rejects.toThrow(/^Kafka does not answer at 127\.0\.0\.1:9: .*ECONNREFUSED/);
});
