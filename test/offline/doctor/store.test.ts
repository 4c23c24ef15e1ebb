import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadSettings } from '../../../src/config/load';
import type { Finding } from '../../../src/offline/doctor/finding';
import { examineStore, examineStored } from '../../../src/offline/doctor/store';
import { acquireLease } from '../../../src/store/lease';
import { removeFolders, writeFolder } from '../../config/folder';

afterAll(removeFolders);

const release = join(__dirname, '../../fixtures/0.1.0');

/** A detector that has kept the channels, conditions and topic of release 0.1.0, and its store. */
async function upgraded(overrides: Record<string, string> = {}) {
  const folder = await writeFolder({
    'line.yaml': `detector: line
source: { kind: kafka, kafka: { brokers: ['localhost:9092'], topic: line.sensors } }
fields: { key: device, timestamp: time }
record: { channels: [flow, pressure], conditions: { product: { kind: category, missing: unknown }, hour: { kind: hour-of-day } } }
window: { length: 4, interval: 1m, gaps: fill }
model: { kind: cvae, hidden: [8], latentDim: 2 }
sinks: { kafka: { deadLetterTopic: line.dead-letters } }
`,
  });
  const store = join(folder, 'store');
  await cp(join(release, 'stream/store'), store, { recursive: true });
  const all = await loadSettings(join(folder, 'line.yaml'), {
    env: {},
    overrides: { 'store.path': store, ...overrides },
  });
  const { settings } = all.detectors[0]!;
  return { settings, daemon: all.daemon, store, openSession: undefined };
}

const of = (findings: readonly Finding[], subject: string) =>
  findings.filter((finding) => finding.subject === subject);

test('it says what an upgrade from 0.1.0 drops, and that the quarantine is read', async () => {
  const findings = await examineStored(await upgraded());
  expect(of(findings, 'model')).toEqual([
    {
      level: 'warning',
      subject: 'model',
      message: expect.stringMatching(
        /older schema 2, .*train again; the next start trains another one/,
      ) as string,
      mend: 'vaemon train … ahead of the upgrade, with the new release',
    },
  ]);
  expect(of(findings, 'state')).toEqual([
    expect.objectContaining({
      level: 'warning',
      message: expect.stringMatching(
        /^2 of 2 partitions begin with empty windows and without open events: .*line\.sensors-\d\.state /,
      ) as string,
    }),
  ]);
  expect(of(findings, 'quarantine')).toEqual([
    { level: 'ok', subject: 'quarantine', message: '3 stretches are left out of trainings' },
  ]);
  expect(of(findings, 'lease')).toMatchObject([{ level: 'ok' }]);
});

test('a process that only scores has no model then, which is wrong', async () => {
  const findings = await examineStored(await upgraded({ role: 'score' }));
  expect(of(findings, 'model')).toMatchObject([
    { level: 'wrong', message: expect.stringMatching(/scores nothing until another one trains/) as string },
  ]);
});

test('versions that are not current are read, too', async () => {
  const parts = await upgraded();
  const versions = join(parts.store, 'line/versions');
  const [name] = (await readFile(join(parts.store, 'line/current'), 'utf8')).split('\n');
  await cp(join(versions, name!), join(versions, '20250101T000000.000Z'), { recursive: true });
  expect(of(await examineStored(parts), 'older models')).toMatchObject([
    {
      level: 'warning',
      message: expect.stringMatching(/^1 of 1 cannot be read.*older schema 2/) as string,
    },
  ]);
});

test('damaged files are named', async () => {
  const parts = await upgraded();
  await writeFile(join(parts.store, 'line/quarantine.json'), '[{');
  await writeFile(join(parts.store, 'line/current'), '20990101T000000.000Z\n');
  const findings = await examineStored(parts);
  expect(of(findings, 'quarantine')).toMatchObject([{ level: 'warning' }]);
  expect(of(findings, 'model')).toMatchObject([
    { level: 'warning', message: expect.stringMatching(/20990101T000000\.000Z/) as string },
  ]);
});

test('who holds the lease is named, and keeps it', async () => {
  const parts = await upgraded();
  const lease = await acquireLease({ directory: parts.store, detector: 'line', timeoutMs: 60_000 });
  try {
    expect(of(await examineStored(parts), 'lease')).toMatchObject([
      { level: 'warning', message: expect.stringContaining(`process ${process.pid} on`) as string },
    ]);
    await lease.renew();
  } finally {
    await lease.release();
  }
});

test('a store that does not exist yet is not created; one below a file cannot be', async () => {
  const folder = await writeFolder({ file: '' });
  const { daemon } = await upgraded();
  const at = (path: string) => examineStore({ ...daemon, store: { ...daemon.store, path } });
  expect(await at(join(folder, 'a/b'))).toMatchObject([
    {
      level: 'ok',
      message: expect.stringMatching(/^is created at the first start; [\d.]+ GiB free$/) as string,
    },
  ]);
  await mkdir(join(folder, 'a'));
  expect(await at(join(folder, 'file/b'))).toMatchObject([
    { level: 'wrong', mend: expect.stringMatching(/store\.path/) as string },
  ]);
});
