/**
 * Damaged configurations: each is valid, or rejected with a ConfigError that names the problem. `npm run fuzz` tries ten
 * thousand; the test tries fewer, of one seed.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { runCli } from '../../src/cli/cli';
import { listKeys, toDocument } from '../../src/schema/key';
import { loadSettings, type LoadOptions } from '../../src/config/load';
import { daemonSchema } from '../../src/config/daemon';
import { detectorSchema } from '../../src/config/detector';
import type { Settings } from '../../src/config/settings';
import { ConfigError } from '../../src/errors';
import { seededUniform } from '../calibration/seeded';
import { captureContext } from '../cli/capture';
import { removeFolders, writeFolder } from '../config/folder';
import { below, mutateBytes, mutateTree, pick, strangeValue, type Uniform } from './mutate';
import { fuzzing } from './settings';

jest.setTimeout(600_000);
afterAll(removeFolders);

const { seed } = fuzzing;
const shipped = (name: string): unknown =>
  parse(readFileSync(join(__dirname, '../../config', name), 'utf8')) as unknown;

const detectors: readonly unknown[] = [
  shipped('kafka/detectors/plant.yaml'),
  shipped('demo/detectors/host.yaml'),
  shipped('digits/detectors/digits.yaml'),
  parse(`
detector: everything
source:
  kind: kafka
  kafka:
    brokers: ["a:9093", "[::1]:9093"]
    topic: in
    tls: { enabled: true, ca: /ca.pem, cert: /cert.pem, key: /key.pem }
    sasl: { mechanism: scram-sha-256, username: u, passwordFile: /p }
    registry: { url: "https://sr:8081/api", username: r, passwordFile: /q, timeout: 2s }
record:
  format: avro
  channels: [flow, pressure]
  extraChannels: ignore
  conditions: { mode: { kind: category, maxValues: 3 }, hour: { kind: hour-of-day, timeZone: Europe/Berlin } }
  signals: { flow: { direction: up, deadband: 0.5, limits: { min: 0, max: 9 } } }
fields: { key: meta.device, values: '', conditions: '' }
window: { length: 20, interval: 1s, gaps: fill, padding: missing }
model: { kind: hvae, levels: [2, 4], levelWeights: [1, 2] }
training: { schedule: '*/5 * * * *', minRecords: 200 }
calibration: { falseAlarmTarget: 2 per day, statistics: [reconstruction, llr] }
sinks:
  kafka:
    enabled: true
    brokers: ["b:9092"]
    detectionsTopic: out
    deadLetterTopic: dead
    compression: zstd
    sasl:
      mechanism: oauthbearer
      oauth: { tokenUrl: "https://idp/token", clientId: c, clientSecretFile: /s, scope: kafka }
`) as unknown,
];
const daemons: readonly unknown[] = [
  shipped('kafka/daemon.yaml'),
  { http: { port: 0 }, shutdownTimeout: '1m' },
  {},
];
const keys = [...listKeys(daemonSchema), ...listKeys(detectorSchema)];

interface Case {
  daemon: string;
  detector: string;
  options: { env: Record<string, string>; overrides: Record<string, string> };
  /** The text was changed, so that it may no longer be YAML, or a map. */
  isText: boolean;
}

function caseOf(index: number): Case {
  const random = seededUniform(Math.imul(seed, 0x9e3779b1) ^ index);
  random();
  const isText = random() < 0.25;
  const [daemon, detector] = [textOf(random, daemons, isText, 0.2), textOf(random, detectors, isText, 0.9)];
  const strangeText = (): string => {
    const value = strangeValue(random);
    return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('\0', '');
  };
  const env: Record<string, string> = {};
  const overrides: Record<string, string> = {};
  if (random() < 0.2) env[pick(random, keys)[1].env ?? 'VAEMON_X'] = strangeText();
  if (random() < 0.2) overrides[pick(random, keys)[0]] = strangeText();
  return { daemon, detector, options: { env, overrides }, isText };
}

function textOf(random: Uniform, documents: readonly unknown[], isText: boolean, share: number): string {
  let document = pick(random, documents);
  if (random() >= share) return stringify(document);
  if (isText) return mutateBytes(random, Buffer.from(stringify(document))).toString();
  for (let changes = 1 + below(random, 3); changes > 0; changes--) document = mutateTree(random, document);
  return stringify(document);
}

/** The settings, or the problems. */
async function load(folder: string, options: LoadOptions): Promise<Settings | ConfigError> {
  try {
    return await loadSettings(folder, options);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** Every problem names its key, unless the file is unreadable or not a map. */
function checkProblems({ problems }: ConfigError, { isText, detector, daemon }: Case): void {
  expect(problems.length).toBeGreaterThan(0);
  for (const { file, key, message } of problems) {
    expect(file).not.toBe('');
    expect(message).not.toBe('');
    expect(message.length).toBeLessThan(2_000);
    // A variable of the environment has no key.
    if (key !== '' || isText || message.includes('is not a variable')) continue;
    const isMap = (text: string): boolean => {
      const document: unknown = parse(text);
      return typeof document === 'object' && !Array.isArray(document);
    };
    if (isMap(detector) && isMap(daemon)) throw new Error(`a problem names no key: ${message}`);
  }
}

async function tryCase(index: number, folder: string): Promise<'valid' | 'refused'> {
  const one = caseOf(index);
  await Promise.all([
    writeFile(join(folder, 'daemon.yaml'), one.daemon),
    writeFile(join(folder, 'detectors/d.yaml'), one.detector),
  ]);
  const loaded = await load(folder, one.options);
  if (index % 10 === 0) {
    const captured = captureContext(one.options.env);
    const sets = Object.entries(one.options.overrides).map(([key, value]) => `--set=${key}=${value}`);
    await runCli(['config', 'check', folder, ...sets], captured.context);
    expect(captured.exitCode()).toBe(loaded instanceof ConfigError ? 78 : 0);
  }
  if (loaded instanceof ConfigError) {
    checkProblems(loaded, one);
    return 'refused';
  }
  // The configuration in force can be printed, and reads back as the same.
  await Promise.all([
    writeFile(join(folder, 'daemon.yaml'), stringify(toDocument(daemonSchema, loaded.daemon))),
    writeFile(
      join(folder, 'detectors/d.yaml'),
      stringify(toDocument(detectorSchema, withoutSecrets(loaded.detectors[0]!.settings))),
    ),
  ]);
  const again = await loadSettings(folder, { env: {} });
  expect(again.daemon).toEqual(loaded.daemon);
  expect(again.detectors[0]!.settings).toEqual(withoutSecrets(loaded.detectors[0]!.settings));
  return 'valid';
}

/** Secrets are not printed, so they are compared apart. */
function withoutSecrets(settings: Settings['detectors'][number]['settings']): typeof settings {
  return JSON.parse(
    JSON.stringify(settings, (name, value: unknown) => (/^(password|clientSecret)$/.test(name) ? '' : value)),
  ) as typeof settings;
}

test(`${fuzzing.configs} configurations: each is valid, or rejected with a reason and exit code 78`, async () => {
  const folder = await writeFolder({ 'daemon.yaml': '', 'detectors/d.yaml': '' });
  const began = performance.now();
  const counts = { valid: 0, refused: 0 };
  for (let index = 0; index < fuzzing.configs; index++) {
    try {
      counts[await tryCase(index, folder)]++;
    } catch (cause) {
      const { daemon, detector, options } = caseOf(index);
      throw new Error(
        `configuration ${index} of seed ${seed} ended it:\n${daemon}\n---\n${detector}\n${JSON.stringify(options)}`,
        { cause },
      );
    }
  }
  expect(counts.valid).toBeGreaterThan(fuzzing.configs / 50);
  expect(counts.refused).toBeGreaterThan(fuzzing.configs / 2);
  if (fuzzing.isLong) {
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    process.stdout.write(`${counts.valid} configurations valid, ${counts.refused} refused, ${seconds} s\n`);
  }
});
