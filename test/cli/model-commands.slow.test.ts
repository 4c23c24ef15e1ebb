/** What can be done with a trained model from the command line. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCli } from '../../src/cli/cli';
import { loadOnnxRuntime } from '../../src/onnx/session';
import { createRandom, decodeSafetensors, encodeSafetensors, tf } from '../../src/tensor';
import { removeFolders, writeFolder } from '../config/folder';
import { captureContext } from './capture';

const detector = `detector: pump
source: { kind: file, file: { path: RECORDS, historyRecords: 500 } }
record:
  channels: [flow, pressure]
  conditions: { mode: { kind: category }, load: { kind: number } }
window: { length: 3 }
model: { kind: hvae, levels: [2, 1], hidden: [8] }
training: { epochs: 3, minRecords: 100 }
`;

function createRecords(count: number): string {
  const random = createRandom(1);
  const records = Array.from({ length: count }, (_, i) => {
    const mode = Math.floor(i / 20) % 2 === 0 ? 'low' : 'high';
    const flow = (mode === 'low' ? 10 : 1000) + random.normal();
    return JSON.stringify({
      key: 'a',
      timestamp: Date.UTC(2026, 0, 1) + i * 1000,
      values: { flow, pressure: flow / 5 + 0.1 * random.normal() },
      conditions: { mode, load: random.uniform() },
    });
  });
  return `${records.join('\n')}\n`;
}

let folder: string;

async function vaemon(...argv: string[]): Promise<{ out: string; err: string; code: number }> {
  const captured = captureContext({ VAEMON_STORE_PATH: join(folder, 'models') });
  await runCli(argv, captured.context);
  return { out: captured.stdout(), err: captured.stderr(), code: captured.exitCode() };
}
const rowsOf = (csv: string): string[][] =>
  csv
    .trim()
    .split('\n')
    .map((line) => line.split(','));

beforeAll(async () => {
  folder = await writeFolder({ 'records.ndjson': createRecords(600) });
  const config = detector.replace('RECORDS', join(folder, 'records.ndjson'));
  await writeFile(join(folder, 'pump.yaml'), config);
  expect(await vaemon('generate', join(folder, 'pump.yaml'))).toMatchObject({
    err: 'vaemon: detector "pump" has no model version yet: train it first\n',
    code: 1,
  });
  expect(await vaemon('train', join(folder, 'pump.yaml'))).toMatchObject({ code: 0 });
}, 60_000);
afterEach(() => expect(tf.memory().numTensors).toBe(0));
afterAll(removeFolders);

describe('generate', () => {
  const generate = (...more: string[]): ReturnType<typeof vaemon> =>
    vaemon('generate', join(folder, 'pump.yaml'), '-n', '20', '-g', 'load=0.5', ...more);

  test('prints windows in the units of the channels, given the conditions', async () => {
    const { out, code } = await generate('-g', 'mode=high');
    expect(code).toBe(0);
    const [head, ...rows] = rowsOf(out);
    expect(head).toEqual(['window', 'record', 'flow', 'pressure']);
    expect(rows.map(([window, record]) => `${window}/${record}`)).toEqual(
      Array.from({ length: 60 }, (_, i) => `${Math.floor(i / 3)}/${i % 3}`),
    );
    const mean = (csv: string[][]): number => csv.reduce((sum, row) => sum + Number(row[2]) / csv.length, 0);
    const low = rowsOf((await generate('-g', 'mode=low')).out).slice(1);
    expect(mean(rows)).toBeGreaterThan(mean(low));
  });

  test('the same seed prints the same, another one something else, and temperature 0 one window', async () => {
    const first = await generate('-g', 'mode=low');
    expect(await generate('-g', 'mode=low')).toEqual(first);
    expect((await generate('-g', 'mode=low', '--seed', '2')).out).not.toBe(first.out);
    const typical = rowsOf((await generate('-g', 'mode=low', '--temperature', '0')).out).slice(1);
    expect(new Set(typical.map(([, record, ...values]) => [record, ...values].join())).size).toBe(3);
  });

  test('a condition that is missing is an error', async () => {
    expect(await generate()).toMatchObject({ err: 'vaemon: condition "mode" is missing\n', code: 1 });
  });

  test.each([
    ['-n', '0'],
    ['--temperature', '-1'],
    ['--at', 'soon'],
    ['--at', '2026-03-01T12:00:00'],
    ['--at', '17'],
  ])('%s %s is wrong usage', async (...wrong) => {
    expect((await generate('-g', 'mode=low', ...wrong)).code).toBe(64);
  });
});

test('encode prints a code for each window of the history', async () => {
  const { out, code } = await vaemon('encode', join(folder, 'pump.yaml'));
  expect(code).toBe(0);
  const [head, ...rows] = rowsOf(out);
  expect(head).toEqual(['key', 'timestamp', 'z1_1', 'z1_2', 'z2_1']);
  expect(rows).toHaveLength(500 - 2);
  expect(rows[0]!.slice(0, 2)).toEqual(['a', '2026-01-01T00:00:02.000Z']);
  expect(
    rows.flatMap((row) => row.slice(2)).every((cell) => cell !== '' && Number.isFinite(Number(cell))),
  ).toBe(true);
});

test('encode names the records that are left out, by reason with one example each', async () => {
  const [first = '', second = '', ...rest] = createRecords(50).trim().split('\n');
  const wordy = second.replace(/"flow":[\d.]+/, '"flow":"high"');
  await writeFile(join(folder, 'odd.ndjson'), [first, first, '{', '[', wordy, ...rest].join('\n'));
  const odd = `source.file.path=${join(folder, 'odd.ndjson')}`;
  const { out, err, code } = await vaemon('encode', join(folder, 'pump.yaml'), '--set', odd);
  expect(code).toBe(0);
  expect(rowsOf(out)).toHaveLength(1 + 49 - 2);
  expect(JSON.parse(err.trim().split('\n').at(-1)!)).toMatchObject({
    level: 'warn',
    rejected: 4,
    records: 53,
    reasons: [
      expect.stringMatching(/^2 not_json \(.*; see record\.format\)$/),
      expect.stringMatching(/^1 not_a_number \(.*odd\.ndjson:0:4: channel "flow" .*"high"/),
      expect.stringMatching(/^1 duplicate \(key "a" has a second record at 2026-01-01/),
    ],
  });
});

describe('explain', () => {
  const explain = (...more: string[]): ReturnType<typeof vaemon> =>
    vaemon('explain', join(folder, 'pump.yaml'), ...more);

  beforeAll(async () => {
    const lines = createRecords(50).trim().split('\n');
    const broken = JSON.parse(lines[40]!) as { values: Record<string, number> };
    broken.values['pressure'] = 5000;
    lines[40] = JSON.stringify(broken);
    lines[30] = 'no JSON';
    await writeFile(join(folder, 'broken.ndjson'), `${lines.join('\n')}\n`);
  });

  test('says which channel does not fit, and what it should have been', async () => {
    const { out, code } = await explain(join(folder, 'broken.ndjson'), '-i', '40');
    expect(code).toBe(0);
    expect(out).toMatch(/surprise \d+\.\d\d \(.*normal records\), anomalous \(threshold \d\.\d\d\)/);
    const [, first] = /^channel .*\n(.*)$/m.exec(out)!;
    expect(first).toMatch(/^pressure +5,000 .* does not fit the others$/);
    expect(out).toMatch(/^level 2, dimension 1 /m);
  });

  test('--json prints what the Kafka sink would write, and by default the file is that of the source', async () => {
    const { out } = await explain('-i', '40', '--json');
    const detection = JSON.parse(out) as Record<string, unknown>;
    expect(detection).toMatchObject({
      detector: 'pump',
      key: 'a',
      timestamp: '2026-01-01T00:00:40.000Z',
      source: { topic: join(folder, 'records.ndjson'), partition: 0, offset: '40' },
      contributions: expect.any(Array),
      nearestNormal: {
        reconstruction: expect.any(Number),
        leftOut: expect.any(Array),
        latent: expect.any(Array),
      },
    });
  });

  test.each([
    ['0', 'its key has fewer than 3 records up to it'],
    ['30', 'cannot be used ←'],
    ['50', 'has 50 records: there is no record 50'],
  ])('record %s: %s', async (index, message) => {
    const { err, code } = await explain(join(folder, 'broken.ndjson'), '-i', index);
    expect(code).toBe(1);
    expect(err).toContain(message);
  });

  test('which record has to be said, and by its number', async () => {
    expect((await explain()).code).toBe(64);
    expect((await explain('-i', '-1')).code).toBe(64);
  });
});

describe('export and import', () => {
  const weightsFile = (): string => join(folder, 'weights.safetensors');

  test('what is exported can be imported, and is the same model', async () => {
    const config = join(folder, 'pump.yaml');
    expect((await vaemon('export', config, weightsFile())).code).toBe(0);
    const { tensors, metadata } = decodeSafetensors(await readFile(weightsFile()));
    expect(JSON.parse(metadata['spec']!)).toMatchObject({ kind: 'hvae', levels: [2, 1] });
    // Two conditions, as one-hot with the unknown and as a number, of the newest record and of the window.
    expect(tensors.get('posterior.1.0.weight')!.shape).toEqual([8, 6 + 2 * (3 + 1)]);
    const before = (await vaemon('encode', config)).out;
    expect((await vaemon('import', config, weightsFile())).code).toBe(0);
    expect((await vaemon('encode', config)).out).toBe(before);
  });

  test('the exported graph begins at raw values', async () => {
    const [config, file] = [join(folder, 'pump.yaml'), join(folder, 'pump.onnx')];
    expect((await vaemon('export', config, file, '--format', 'onnx')).code).toBe(0);
    const session = await (await loadOnnxRuntime()).InferenceSession.create(file, { logSeverityLevel: 3 });
    expect([...session.inputNames].sort()).toEqual(['c', 'values']);
    expect(session.outputNames).toEqual(expect.arrayContaining(['reconstruction', 'latent', 'newest']));
    await session.release();
  });

  test('what is in quarantine is not calibrated on, either', async () => {
    const quarantine = join(folder, 'models', 'pump', 'quarantine.json');
    const start = Date.UTC(2026, 0, 1);
    await writeFile(quarantine, JSON.stringify([{ key: 'a', from: start + 400_000, to: start + 420_000 }]));
    const windowsOf = (out: string): number => {
      const counts = /windows +(\S+) to fit, (\S+) to validate, (\S+) to calibrate/.exec(out)!.slice(1);
      return counts.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0);
    };
    const config = join(folder, 'pump.yaml');
    const without = windowsOf((await vaemon('import', config, weightsFile())).out);
    await writeFile(join(folder, 'nothing.json'), '[]');
    const all = windowsOf(
      (await vaemon('import', config, weightsFile(), '--quarantine', join(folder, 'nothing.json'))).out,
    );
    await rm(quarantine);
    // 21 records, and the two windows behind them that still hold one.
    expect(all - without).toBe(23);
  });

  test('weights that do not fit are refused with what they should be', async () => {
    const { tensors } = decodeSafetensors(await readFile(weightsFile()));
    tensors.delete('decoder.0.bias');
    await writeFile(weightsFile(), encodeSafetensors(tensors));
    expect(await vaemon('import', join(folder, 'pump.yaml'), weightsFile())).toMatchObject({
      err: expect.stringContaining('weight "decoder.0.bias" must be F32 [8], got none'),
      code: 1,
    });
  });
});

test('a posterior that has collapsed is warned of', async () => {
  const { err } = await vaemon(
    ...['train', join(folder, 'pump.yaml'), '-s', 'model.levelWeights=1e6,1e6', '-s', 'training.epochs=15'],
    ...['-s', 'training.learningRate=0.02'],
  );
  expect(err).toContain('posterior has collapsed: no latent dimension of these levels is in use');
}, 60_000);

describe('labels', () => {
  const start = Date.UTC(2026, 0, 1);
  const train = (quarantine: string) =>
    vaemon(
      ...['train', join(folder, 'pump.yaml'), '-s', 'training.epochs=1', '--quarantine', quarantine],
      ...['-s', `training.labels.file=${join(folder, 'labels.csv')}`],
    );
  const excludedIn = (out: string): number => Number(/; (\d+) left out/.exec(out)?.[1] ?? 0);

  test('say what training leaves out, and what it learns from although it has alarmed', async () => {
    const quarantine = join(folder, 'quarantine.json');
    const alarmed = [{ key: 'a', from: start + 200_000, to: start + 209_000 }];
    await writeFile(quarantine, JSON.stringify(alarmed));
    await writeFile(join(folder, 'labels.csv'), 'start,end,key,label\n');
    expect(excludedIn((await train(quarantine)).out)).toBe(10);
    await writeFile(
      join(folder, 'labels.csv'),
      `start,end,key,label\n${start},${start + 29_000},,\n${start + 205_000},${start + 300_000},a,normal\n`,
    );
    expect(excludedIn((await train(quarantine)).out)).toBe(30 + 5);
  }, 60_000);

  test('that match no record are reported, with the nearest key', async () => {
    const [from, to] = [start, start + 29_000].map((at) => new Date(at).toISOString());
    await writeFile(join(folder, 'labels.csv'), `start,end,key\n${from},${to},A\n`);
    const { code, out, err } = await train(join(folder, 'none.json'));
    expect(code).toBe(0);
    expect(excludedIn(out)).toBe(0);
    expect(`${out}${err}`).toMatch(/labels have no effect: no record of the history lies in their time/);
    expect(`${out}${err}`).toMatch(/nearestKey\W+a\b/);
  }, 60_000);

  test.each([
    ['without a zone', '2026-03-01 00:00:00,2026-03-01 01:00:00', 'start has no zone'],
    ['that are row numbers', '0,29', 'fields.timestampFormat'],
  ])(
    '%s end a training',
    async (_, times, reason) => {
      await writeFile(join(folder, 'labels.csv'), `start,end\n${times}\n`);
      expect(await train(join(folder, 'none.json'))).toMatchObject({
        code: 1,
        err: expect.stringContaining(reason),
      });
    },
    60_000,
  );

  test('that are none end a training, by file and line', async () => {
    await writeFile(join(folder, 'labels.csv'), 'start,end\nsoon,later\n');
    expect(await train(join(folder, 'none.json'))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/labels\.csv:2: start and end must be times/),
    });
  }, 60_000);
});
