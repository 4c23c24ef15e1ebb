/** Proposals agree with what an engineer wrote for the same files before (bench/init). Sets that are not there are skipped. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings } from '../../../src/config/load';
import type { DetectorSettings } from '../../../src/config/settings';
import { renderDetector, usualTarget } from '../../../src/offline/init/detector-file';
import { infer } from '../../../src/offline/init/inference/infer';
import { sampleFile } from '../../../src/offline/init/sample-file';

const root = join(__dirname, '../../..');
const data = process.env['VAEMON_TEST_DATA'] ?? join(root, '../shared/data');

const sets = [
  ['host', join(root, 'data/host/host.csv.gz')],
  ['skab', join(data, 'skab/valve1-0.train.csv.gz')],
  ['nab', join(data, 'nab/realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv')],
  ['tep', join(data, 'tep/d00.train.csv.gz')],
] as const;

async function settingsOf(path: string): Promise<DetectorSettings> {
  return (await loadSettings(path, { env: {} })).detectors[0]!.settings;
}

/** What decides what is scored, and how. */
const essence = ({ record, window, model, calibration, events }: DetectorSettings) => ({
  channels: record.channels,
  conditions: record.conditions,
  seasons: record.seasons,
  length: window.length,
  padding: window.padding,
  gaps: window.gaps,
  model,
  calibration,
  budget: events.budget,
});

for (const [name, path] of sets) {
  if (existsSync(path)) test(name, () => compare(name, path));
  else test.skip(`${name} (skipped: ${path} is absent)`, () => undefined);
}

async function compare(name: string, path: string): Promise<void> {
  const recorded = await sampleFile(path, 200_000);
  const text = renderDetector({
    name,
    origin: { kind: 'file', path },
    recorded,
    proposal: infer(recorded.sample),
    historyRecords: recorded.read,
    target: usualTarget,
    priceLines: [],
  });
  const folder = await mkdtemp(join(tmpdir(), 'vaemon-init-'));
  try {
    await writeFile(join(folder, 'proposed.yaml'), text);
    const proposed = await settingsOf(join(folder, 'proposed.yaml'));
    expect(essence(proposed)).toEqual(essence(await settingsOf(join(root, 'bench/init', `${name}.yaml`))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
