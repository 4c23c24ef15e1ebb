import { join } from 'node:path';
import { alarmThreshold } from '../../src/calibration/threshold';
import { runCli } from '../../src/cli/cli';
import { loadSettings } from '../../src/config/load';
import type { DetectorSettings } from '../../src/config/settings';
import { sourceOf } from '../../src/config/settings';
import { createExplanationRule } from '../../src/domain/explanations';
import { createLimitCheck } from '../../src/domain/signal';
import { createMetrics } from '../../src/metrics/metrics';
import { createPipeline } from '../../src/pipeline/pipeline';
import { createRecordDecoder } from '../../src/pipeline/record-decoder';
import { openEngines, usualEngines } from '../../src/runtime/engines';
import { decodeBundle } from '../../src/scoring/bundle';
import { encodeDetection } from '../../src/sinks/kafka/messages';
import { createFileSource } from '../../src/sources/file/file';
import { createPartitionStates } from '../../src/state/partitions';
import { stateRules } from '../../src/state/rules';
import { createModelStore } from '../../src/store/model-store';
import { createRandom } from '../../src/tensor';
import { captureContext } from '../cli/capture';
import { removeFolders, writeFolder } from '../config/folder';

const historyRecords = 500;
/** Value of a channel of a record: a spike, a shift of the baseline, and values beyond a limit. */
const faults: Record<number, { flow?: number; pressure?: number }> = {
  540: { flow: 900 },
  610: { pressure: 500 },
  640: { flow: 900 },
  641: { flow: 900, pressure: -500 },
};

const config = `detector: pump
source: { kind: file, file: { path: RECORDS, historyRecords: ${historyRecords} } }
record: { channels: [flow, pressure], signals: { pressure: { limits: { min: -300, max: 300 } } } }
window: { length: 3 }
model: { kind: vae, latentDim: 1, hidden: [8] }
training: { epochs: 3, minRecords: 100 }
events: { acceptAfter: 64 }
`;

function createRecords(count: number): string {
  const random = createRandom(1);
  const records = Array.from({ length: count }, (_, i) => {
    const flow = 10 + random.normal() + (i > 560 ? 4 : 0);
    const values = { flow, pressure: flow / 5 + 0.1 * random.normal(), ...faults[i] };
    return JSON.stringify({
      key: i % 2 === 0 ? 'a' : 'b',
      timestamp: Date.UTC(2026, 0, 1) + i * 1000,
      values,
    });
  });
  return `${records.join('\n')}\n`;
}

let folder: string;
let path: string;

async function vaemon(...argv: string[]): Promise<string> {
  const captured = captureContext({ VAEMON_STORE_PATH: join(folder, 'models') });
  await runCli(argv, captured.context);
  expect(captured.exitCode()).toBe(0);
  return captured.stdout();
}

beforeAll(async () => {
  folder = await writeFolder({ 'records.ndjson': createRecords(700) });
  path = join(
    await writeFolder({ 'pump.yaml': config.replace('RECORDS', join(folder, 'records.ndjson')) }),
    'pump.yaml',
  );
  await vaemon('train', path);
}, 60_000);
afterAll(removeFolders);

/** Detections of a daemon on the file, by record, as its Kafka sink writes them. */
async function detectionsOfDaemon(settings: DetectorSettings): Promise<Map<number, string>> {
  const store = createModelStore({ directory: join(folder, 'models'), detector: 'pump' });
  const { files } = await store.read((await store.current())!);
  const recordDecoder = createRecordDecoder(settings);
  const engines = await openEngines(usualEngines);
  const detector = await decodeBundle('unnamed', files, recordDecoder.table, engines.openScoring);
  const { surprise: threshold } = alarmThreshold(settings.calibration.falseAlarmTarget, detector.state);
  const written = new Map<number, string>();
  const handle = createPipeline({
    detectorName: 'pump',
    decode: recordDecoder.decode,
    states: createPartitionStates(stateRules(settings, recordDecoder)),
    stale: { duplicate: 'reject', out_of_order: 'reject' },
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
    explanations: createExplanationRule({ share: 1, burstMs: 1e9 }),
    current: () => ({ detector, threshold }),
    sinks: [
      {
        name: 'kafka',
        write({ detections }) {
          for (const one of detections)
            written.set(Number(one.origin.offset), String(encodeDetection(one).value));
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      },
    ],
    metrics: createMetrics({ version: '', engine: '', process: false }).forDetector('pump', {
      topics: [],
      sinks: [],
    }),
    now: Date.now,
    onBroken: (error) => {
      throw error;
    },
  });
  await createFileSource(sourceOf(settings, 'file').file).run(handle);
  detector.dispose();
  await engines.close();
  return written;
}

test('explain --json prints the detections of the daemon', async () => {
  const { detectors } = await loadSettings(path, { env: {} });
  const written = await detectionsOfDaemon(detectors[0]!.settings);
  const version = (await createModelStore({
    directory: join(folder, 'models'),
    detector: 'pump',
  }).current())!;
  const ofDaemon = (index: number): Record<string, unknown> => ({
    ...(JSON.parse(written.get(index)!) as object),
    modelVersion: version,
  });
  const explain = async (index: number) =>
    JSON.parse(await vaemon('explain', path, '-i', String(index), '--json')) as Record<string, unknown>;

  const explained = [...written.keys()].filter((index) => 'nearestNormal' in ofDaemon(index));
  const limited = explained.filter((index) => (ofDaemon(index)['limits'] as unknown[]).length > 0);
  expect(limited.length).toBeGreaterThan(0);
  expect(explained.length).toBeGreaterThan(limited.length);
  for (const index of explained) expect(await explain(index)).toEqual(ofDaemon(index));
  expect(await explain(610)).toMatchObject({
    surprise: 300,
    limits: [{ channel: 'pressure', limit: 'max' }],
    contributions: [{ channel: 'pressure', surprise: 300 }, { channel: 'flow' }],
  });

  // A normal record has the same score; its explanation is added.
  const index = [...written.keys()].findLast(
    (one) => ofDaemon(one)['anomalous'] === false && !explained.includes(one),
  )!;
  const { contributions, ...normal } = ofDaemon(index);
  expect(contributions).toEqual([]);
  expect(normal).toMatchObject({ anomalous: false, baseline: { rise: expect.any(Number) } });
  expect(await explain(index)).toMatchObject(normal);
}, 60_000);

test('a record without a full window is refused, as the daemon has no detection of it', async () => {
  const captured = captureContext({ VAEMON_STORE_PATH: join(folder, 'models') });
  await runCli(['explain', path, '-i', String(historyRecords + 3)], captured.context);
  expect(captured.stderr()).toContain('has no full window: its key has fewer than 3 records up to it');
  expect(captured.exitCode()).toBe(1);
});
