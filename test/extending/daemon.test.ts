/** A source and a sink of one folder each, a codec and a model of one file each, and one line for each (docs/contributing.md). */
import './register';
import { join } from 'node:path';
import { trainVersion } from '../../src/cli/train-version';
import { renderDocument } from '../../src/config/document';
import { loadSettings } from '../../src/config/load';
import type { Settings } from '../../src/config/settings';
import { ConfigError } from '../../src/errors';
import { startDaemon } from '../../src/runtime/daemon';
import { createModelStore } from '../../src/store/model-store';
import { removeFolders, writeFolder } from '../config/folder';
import { createRecordedLog } from '../runtime/recorded-log';
import { written } from './toy-sink/sink';

afterAll(removeFolders);

const detector = `detector: pump
source: { kind: toy }
record: { format: toy, channels: [flow, pressure] }
window: { length: 4 }
model: { kind: toy, hidden: [16], latentDim: 2, squareWeight: 0.5 }
training: { minRecords: 200, epochs: 6, learningRate: 0.01, schedule: '' }
calibration: { falseAlarmTarget: 0.01 }
sinks: { toy: { name: kept } }
`;

/** tfjs: the thread that runs ONNX graphs for a daemon starts from built files. */
const daemonYaml = 'http: { port: 0 }\nengine: { scoring: tfjs, training: tfjs, tensors: wasm }\n';

const noop = (): undefined => undefined;

async function load(text: string, overrides: Record<string, string> = {}): Promise<Settings> {
  const folder = await writeFolder({ 'daemon.yaml': daemonYaml, 'detectors/pump.yaml': text });
  return loadSettings(folder, { env: {}, overrides: { 'store.path': join(folder, 'store'), ...overrides } });
}

test('a daemon reads the toy source with the toy codec, trains the toy model, and writes to the toy sink', async () => {
  const settings = await load(detector);
  const log = createRecordedLog();
  const daemon = await startDaemon({
    settings,
    version: 'test',
    log,
    setLogLevel: noop,
    files: { hash: () => Promise.resolve('0'), load: () => Promise.resolve(settings), loadedHash: '0' },
    observer: { trainingProgress: noop, trainingEnded: noop, passEnded: noop },
    runTraining:
      () =>
      async ({ quarantinePath, lease, fileRecords }) => {
        const options = {
          set: {},
          quarantine: quarantinePath,
          lease: String(lease),
          ...(fileRecords !== undefined && { fileRecords }),
        };
        const opened = { settings, detector: settings.detectors[0]!.settings, log };
        return (await trainVersion(opened, options, { onProgress: noop })).version;
      },
  });
  try {
    await daemon.finished;
    const url = String(log.entries.find(({ message }) => message === 'web server listens')!.fields['url']);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('vaemon_records_consumed_total{detector="pump",topic="toy"} 200\n');
    expect((await fetch(url)).headers.get('content-security-policy')).toContain("default-src 'none'");
    const ask = async (path: string): Promise<unknown> => (await fetch(`${url}/api/v1${path}`)).json();
    expect(await ask('/detectors')).toMatchObject({ detectors: [{ name: 'pump', devices: 1, model: {} }] });
    const { minutes, records } = (await ask('/detectors/pump/devices/pump')) as {
      minutes: { surprise: number; records: number }[];
      records: { timestamps: number[]; actual: number[][]; expected: number[][] };
    };
    expect(minutes.reduce((sum, minute) => sum + minute.records, 0)).toBe(197);
    expect(records.timestamps).toHaveLength(60);
    // The model expects about what comes.
    const usual = records.actual[0]!.filter((value, i) => Math.abs(value - records.expected[0]![i]!) < 5);
    expect(usual.length).toBeGreaterThan(50);
  } finally {
    await daemon.stop();
  }
  const detections = written.get('kept')!.flatMap((batch) => batch.detections);
  // Four records fill the first window.
  expect(detections).toHaveLength(197);
  const wild = detections.find(({ origin }) => origin.offset === '900')!;
  expect(wild).toMatchObject({
    key: 'pump',
    anomalous: true,
    contributions: [{ channel: 'flow', actual: 50 }, {}],
  });
  const store = createModelStore({ directory: settings.daemon.store.path, detector: 'pump' });
  expect(wild.modelVersion).toBe(await store.current());
});

test.each([
  ['source.toy.history=1000', 'source.toy.history: must be below source.toy.records (got 1000, 1000)'],
  ['source.toy.records=-1', 'source.toy.records: must be a whole number of at least 1 (got "-1")'],
  ['model.squareWeight=101', 'model.squareWeight: must not be above 100'],
  ['model.latentDim=8', 'model.latentDim: must be below channels × window.length (got 8, with 2 × 4 = 8)'],
  ['model.kind=vae', 'model.squareWeight: is no option of `vae`, only of `toy` (got 0.5)'],
  ['delivery=exactly-once', 'sinks.toy.name: cannot be written exactly once'],
])('%s is refused with the key and the rule of the toy', async (override, message) => {
  const [key, value] = override.split('=') as [string, string];
  const error: unknown = await load(detector, { [key]: value }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).problems.map((one) => `${one.key}: ${one.message}`)).toContain(message);
});

test('the page of keys has those of the toys, with their variables', () => {
  const page = renderDocument().replace(/\n +/g, ' ');
  expect(page).toContain('`toy`: a wave with one wild value.');
  expect(page).toContain('`toy`: a line with the event time and the values.');
  expect(page).toMatch(/- `source\.toy\.wildRecord`: Record with a wild value\. .*`VAEMON_TOY_WILD_RECORD`/);
  expect(page).toMatch(/- `sinks\.toy\.name`: .*`VAEMON_SINKS_TOY_NAME`/);
  expect(page).toMatch(/- `model\.squareWeight`: Weight of the squared rate\. For `toy`\./);
});
