/** Files that release 0.1.0 wrote: each is read, or refused with a message that names what to do. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { loadSettings } from '../src/config/load';
import { quarantinePath, readQuarantine } from '../src/runtime/quarantine';
import { createStateStore } from '../src/state/store';
import { createModelStore } from '../src/store/model-store';

const release = join(__dirname, 'fixtures/0.1.0');

/** Folders with a configuration, and the store that was written under it. */
const folders = [release, join(release, 'stream')];

const versions = folders.flatMap((folder) =>
  readdirSync(join(folder, 'store')).flatMap((detector) =>
    readdirSync(join(folder, 'store', detector, 'versions')).map((version) => ({
      folder,
      detector,
      version,
    })),
  ),
);

function linesOf(name: string): Record<string, unknown>[] {
  const bytes = readFileSync(join(release, 'stream', name));
  const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('the fixtures contain a version of each kind of detector', () => {
  expect(versions.map(({ detector }) => detector).sort()).toEqual([
    'aae',
    'beta-vae',
    'cvae',
    'hvae',
    'image',
    'line',
    'vae',
    'vae',
  ]);
});

test.each(versions)(
  'version $version of $detector is refused, and the message says to train again',
  async (of) => {
    const store = createModelStore({ directory: join(of.folder, 'store'), detector: of.detector });
    await expect(store.read(of.version)).rejects.toMatchObject({
      name: 'ModelVersionError',
      reason: 'schema',
      message: expect.stringMatching(/older schema 2.*train again/) as string,
    });
  },
);

test.each([0, 1])('the state of partition %d is refused as a file of another format', async (partition) => {
  const store = createStateStore({ directory: join(release, 'stream/store'), detector: 'line' });
  await expect(store.load('line.sensors', partition)).rejects.toThrow(/line\.sensors-\d\.state/);
});

test('the quarantine is read', async () => {
  const quarantine = await readQuarantine(quarantinePath(join(release, 'stream/store'), 'line'));
  expect(quarantine.map(({ key }) => key)).toEqual(['pump-1', 'pump-3', 'pump-1']);
});

test('a configuration with renamed keys is refused, and each problem names the file, the key and the nearest name', async () => {
  const load = loadSettings(join(release, 'stream/config'), { env: {} });
  await expect(load).rejects.toThrow(/line\.yaml: calibration\.levelRecords: /);
});

test('a configuration without renamed keys is read', async () => {
  const { detectors } = await loadSettings(join(release, 'config/detectors/vae.yaml'), { env: {} });
  expect(detectors[0]!.settings.model.kind).toBe('vae');
});

test('each record of the stream has a detection, an event or a dead letter, so that a replay can be compared', () => {
  const written = linesOf('detections.ndjson.gz') as { headers: { type: string } }[];
  const detections = written.filter(({ headers }) => headers.type === 'detection');
  // The first three records of each of three pumps fill its window.
  expect(detections.length + linesOf('dead-letters.ndjson').length).toBe(
    linesOf('records.ndjson').length - 9,
  );
  expect(written.filter(({ headers }) => headers.type === 'event')).toHaveLength(5);
});
