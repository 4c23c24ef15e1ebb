/** `vaemon init` on files: what it writes passes `config check`, and bad input writes nothing. */
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/cli';
import { createRandom } from '../../src/tensor';
import { removeFolders, writeFolder } from '../config/folder';
import { pumps } from '../offline/init/samples';
import { captureContext } from './capture';

afterEach(removeFolders);

const ndjson = (records: readonly object[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');

async function vaemon(argv: readonly string[], answers?: string[]) {
  const captured = captureContext();
  const questions: string[] = [];
  const ask = (question: string): Promise<string> => {
    questions.push(question);
    return Promise.resolve(answers!.shift() ?? '');
  };
  await runCli(argv, { ...captured.context, ...(answers && { ask }) });
  return { out: captured.stdout(), err: captured.stderr(), code: captured.exitCode(), questions };
}

/** With the defaults for plant.ndjson. */
function initPlant(folder: string, out: string) {
  return vaemon(['init', '--file', join(folder, 'plant.ndjson'), '--out', out, '--yes']);
}

test('a file of nested records becomes a detector with prices, which passes config check', async () => {
  const folder = await writeFolder({ 'plant.ndjson': `${ndjson(pumps(300))}{"device":{"id":"P-0\n` });
  const out = join(folder, 'plant.yaml');
  const { out: report, code } = await initPlant(folder, out);
  expect(code).toBe(0);
  expect(report).toContain('device     device.id, 4 devices');
  expect(report).toContain(`rejected   1 record as not_json: ${join(folder, 'plant.ndjson')}:0:1200: `);
  expect(report).toMatch(/1\. 0\.005 +1 per day +\d/);
  const text = await readFile(out, 'utf8');
  expect(parse(text)).toMatchObject({
    detector: 'plant',
    preset: 'sensor',
    source: { kind: 'file', file: { historyRecords: 840 } },
    fields: { key: 'device.id', timestamp: 'ts', values: 'm', conditions: 'state' },
    record: { channels: ['flow', 'temp_c', 'energy_kwh'], conditions: { mode: { kind: 'category' } } },
    window: { length: 10, ttl: '15m' },
    events: { budget: '1 per day' },
  });
  expect(text).toContain('# Counters, scored by their rate: m.energy_kwh.');
  expect(text.split('\n').every((line) => line.length <= 120 || line.includes('Proposed'))).toBe(true);
  expect(await vaemon(['config', 'check', out])).toMatchObject({ code: 0 });
}, 60_000);

test('a file without devices and times becomes a detector that scores it', async () => {
  const rows = Array.from({ length: 400 }, (_, i) => `${Math.sin(i / 5)},${(i * 7919) % 13}`);
  const folder = await writeFolder({});
  await writeFile(join(folder, 'rig.csv.gz'), gzipSync(`pressure,flow\n${rows.join('\n')}\n`));
  const out = join(folder, 'rig.yaml');
  await vaemon(['init', '--file', join(folder, 'rig.csv.gz'), '--out', out, '--yes']);
  const { out: explained, code } = await vaemon([
    'train',
    out,
    '--set',
    `store.path=${join(folder, 'models')}`,
  ]);
  expect({ code, explained }).toMatchObject({ code: 0 });
}, 60_000);

test('JSON lines without devices and times become a detector that scores them', async () => {
  const lines = Array.from({ length: 300 }, (_, i) => ({
    m: { pressure: Math.sin(i / 5), flow: (i * 7919) % 13 },
  }));
  const folder = await writeFolder({ 'rig.ndjson': ndjson(lines) });
  const out = join(folder, 'rig.yaml');
  const { out: report, code } = await vaemon([
    'init',
    '--file',
    join(folder, 'rig.ndjson'),
    '--out',
    out,
    '--yes',
  ]);
  expect([code, report]).toEqual([0, expect.stringContaining('per 1,000')]);
  expect(report).not.toContain('rejected');
  expect(parse(await readFile(out, 'utf8'))).toMatchObject({
    source: { file: { columns: { timestamp: '' } } },
    fields: { key: '', timestamp: '', values: 'm' },
    record: { seasons: 'off' },
  });
}, 60_000);

test('answers at a terminal change the proposal, and the target is the chosen one', async () => {
  const folder = await writeFolder({ 'plant.ndjson': ndjson(pumps(120)) });
  const out = join(folder, 'plant.yaml');
  const { questions } = await vaemon(
    ['init', '--file', join(folder, 'plant.ndjson'), '--out', out],
    ['', 'none', 'temp_c', '9', '3'],
  );
  expect(questions.map((question) => question.split(' ')[0])).toEqual([
    'Field',
    'Conditions',
    'Channels',
    'Target,',
    'Target,',
  ]);
  expect(parse(await readFile(out, 'utf8'))).toMatchObject({
    record: { channels: ['flow', 'energy_kwh'] },
    calibration: { falseAlarmTarget: '1 per day' },
    events: { budget: 'auto' },
  });
  expect(parse(await readFile(out, 'utf8')).record.conditions).toBeUndefined();
}, 60_000);

test('--json prints the proposal and the prices', async () => {
  const folder = await writeFolder({ 'plant.ndjson': ndjson(pumps(120)) });
  const { out } = await vaemon([
    'init',
    '--file',
    join(folder, 'plant.ndjson'),
    '--out',
    join(folder, 'a.yaml'),
    '--json',
  ]);
  expect(JSON.parse(out)).toMatchObject({
    device: { field: 'device.id', devices: 4 },
    channels: { in: 'm', names: ['flow', 'temp_c', 'energy_kwh'] },
    prices: { prices: expect.arrayContaining([expect.objectContaining({ budget: '1 per day' })]) as unknown },
  });
}, 60_000);

test('a sample that is too small to train on gives a file that says so', async () => {
  const folder = await writeFolder({ 'plant.ndjson': ndjson(pumps(20)) });
  const out = join(folder, 'plant.yaml');
  const { out: report, code } = await initPlant(folder, out);
  expect([code, report]).toEqual([0, expect.stringContaining('Alarms could not be estimated')]);
  expect(await vaemon(['config', 'check', out])).toMatchObject({ code: 0 });
}, 60_000);

test('an existing file is left as it is', async () => {
  const folder = await writeFolder({ 'plant.ndjson': ndjson(pumps(20)), 'plant.yaml': 'mine' });
  const out = join(folder, 'plant.yaml');
  const { err, code } = await vaemon(['init', '--file', join(folder, 'plant.ndjson'), '--out', out, '--yes']);
  expect([code, err]).toEqual([1, expect.stringContaining('exists, and is left as it is')]);
  expect(await readFile(out, 'utf8')).toBe('mine');
});

test.each([
  [[], 'name one of --file, --topic and --prometheus'],
  [['--file', 'a.csv', '--topic', 'a'], 'name one of --file, --topic and --prometheus'],
  [['--topic', 'a'], 'name the brokers'],
  [['--file', 'a.csv', '--registry', 'http://r'], 'belong to --topic'],
  [['--topic', 'a', '--brokers', 'b:1', '--set', 'window.length=3'], 'only keys of source.kafka'],
])('options %j do not fit together: %s', async (options, message) => {
  const { err, code } = await vaemon(['init', ...options]);
  expect([code, err]).toEqual([1, expect.stringContaining(message)]);
});

test.each([
  ['is absent', 'none.csv', undefined, 'ENOENT'],
  ['is empty', 'a.csv', '', 'is empty'],
  ['has a header alone', 'a.csv', 'a,b\n', 'no readable record'],
  ['has no header', 'a.csv', '1.5,2\n2.5,3\n', 'no header'],
  ['has an ambiguous separator', 'a.csv', 'a;b,c\n1;2,3\n', 'separator is ambiguous'],
  ['is a JSON list', 'a.json', '[{"a":1}]', 'one JSON list'],
  ['has JSON objects under another name', 'a.txt', '{"a":1}\n', 'ends in .ndjson'],
  ['is packed under another name', 'a.csv', gzipSync('a\n1\n'), 'ends in .gz'],
  ['has nothing but nulls', 'a.ndjson', '{"a":null}\n{"a":null}\n', 'no value in any record'],
  ['has no JSON', 'a.ndjson', 'x\ny\n', 'no record can be read: a line is not JSON'],
  ['has unquoted decimal commas', 'a.csv', 'a,b\n1,5,2,5\n', 'a number with a decimal comma must be quoted'],
  [
    'has keys that cannot be kept exactly',
    'a.ndjson',
    ndjson(pumps(30).map((record, i) => ({ ...record, device: { id: 9007199254740992 + 2 * (i % 4) } }))),
    'a number that cannot be read exactly',
  ],
  [
    'has only broken times',
    'a.ndjson',
    ndjson(Array.from({ length: 50 }, (_, i) => ({ timestamp: i % 2 === 0 ? i : 'x', v: i / 3 }))),
    '',
  ],
])(
  'a file that %s is named, and nothing is written',
  async (_, name, content, message) => {
    const folder = await writeFolder({});
    if (content !== undefined) await writeFile(join(folder, name), content);
    const before = await readdir(folder);
    const { err, code } = await vaemon([
      'init',
      '--file',
      join(folder, name),
      '--out',
      join(folder, 'out.yaml'),
      '--yes',
    ]);
    if (message === '') {
      // Without a usable time the detector takes the order of the records.
      expect(code).toBe(0);
      await rm(join(folder, 'out.yaml'));
    } else {
      expect([code, err]).toEqual([1, expect.stringContaining(message)]);
    }
    expect(await readdir(folder)).toEqual(before);
  },
  60_000,
);

test('a folder of images becomes a detector that trains and explains; other files and sizes are named', async () => {
  const random = createRandom(7);
  const folder = await writeFolder({});
  const images = join(folder, 'caps');
  await mkdir(join(images, 'bad'), { recursive: true });
  const image = (width: number, height: number, isOdd = false): Promise<Buffer> => {
    const light = 120 + 20 * random.uniform();
    const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const x = Math.floor(i / 3) % width;
      const isRed = i % 3 === 0;
      return light + 10 * random.uniform() + (isRed ? 40 : 0) + (isOdd && x > width / 2 ? -100 : 0);
    });
    return sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
  };
  for (let i = 0; i < 130; i++)
    await writeFile(join(images, `${String(i).padStart(3, '0')}.png`), await image(48, i === 60 ? 40 : 32));
  await writeFile(join(images, '131.png'), 'damaged');
  await writeFile(join(images, 'notes.txt'), 'caps');
  await writeFile(join(images, 'bad', 'a.png'), await image(48, 32, true));

  const out = join(folder, 'caps.yaml');
  const { out: report, code, err } = await vaemon(['init', '--file', images, '--out', out, '--yes']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(report).toContain('size       48 × 32 pixels, scaled to 48 × 32');
  expect(report).toContain('check      1 other file of the folder: not read');
  expect(report).toContain('check      images in folders within are not read: bad: 1');
  expect(report).toContain('2 different sizes, such as 48 × 32 and 48 × 40');
  expect(report).toContain('rejected   1 record as not_an_image');
  expect(report).toMatch(/1\. 0\.01 +none +\d/);
  expect(parse(await readFile(out, 'utf8'))).toMatchObject({
    preset: 'image',
    source: { file: { path: images, historyRecords: 100 } },
    record: { kind: 'image', image: { width: 48, height: 32, colour: 'rgb', fit: 'contain' } },
    calibration: { falseAlarmTarget: 0.01 },
  });
  const store = ['--set', `store.path=${join(folder, 'models')}`];
  expect(await vaemon(['config', 'check', out])).toMatchObject({ code: 0 });
  expect(await vaemon(['train', out, ...store])).toMatchObject({ code: 0 });
  const explained = await vaemon(['explain', out, join(images, 'bad'), '-i', '0', '--json', ...store]);
  expect(JSON.parse(explained.out)).toMatchObject({ anomalous: true });
}, 120_000);

test('folders of products become a condition: an image of one product is odd in the folder of another one', async () => {
  const random = createRandom(7);
  const side = 24;
  const image = (product: string): Promise<Buffer> => {
    const phase = 6 * random.uniform();
    const pixels = Uint8Array.from({ length: side * side }, (_, i) => {
      const along = product === 'bolt' ? i % side : Math.floor(i / side);
      return 120 + 60 * Math.sin(along + phase) + 10 * random.uniform();
    });
    return sharp(pixels, { raw: { width: side, height: side, channels: 1 } })
      .png()
      .toBuffer();
  };
  const folder = await writeFolder({});
  const write = async (place: string, product: string, count: number): Promise<void> => {
    await mkdir(join(folder, place), { recursive: true });
    for (let i = 0; i < count; i++)
      await writeFile(join(folder, place, `${String(i).padStart(3, '0')}.png`), await image(product));
  };
  await write('parts/bolt', 'bolt', 160);
  await write('parts/nut', 'nut', 90);
  await write('shown/bolt', 'bolt', 10);
  await write('shown/nut', 'bolt', 10);

  const out = join(folder, 'parts.yaml');
  const {
    out: report,
    code,
    err,
  } = await vaemon(['init', '--file', join(folder, 'parts'), '--out', out, '--yes']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(report).toContain('check      the folders within are taken for products: bolt: 160, nut: 90');
  expect(parse(await readFile(out, 'utf8'))).toMatchObject({
    source: { file: { columns: { folders: ['product'] } } },
    fields: { key: '', timestamp: '', image: 'image' },
    record: { conditions: { product: { kind: 'category' } } },
    model: { kind: 'cvae' },
  });
  const store = ['--set', `store.path=${join(folder, 'models')}`];
  expect(await vaemon(['config', 'check', out])).toMatchObject({ code: 0 });
  expect(await vaemon(['train', out, ...store])).toMatchObject({ code: 0 });
  const anomalous: boolean[] = [];
  for (let i = 0; i < 20; i++) {
    const explained = await vaemon([
      'explain',
      out,
      join(folder, 'shown'),
      '-i',
      String(i),
      '--json',
      ...store,
    ]);
    anomalous.push((JSON.parse(explained.out) as { anomalous: boolean }).anomalous);
  }
  // The images of both folders alternate.
  expect(anomalous.filter((_, i) => i % 2 === 1).filter(Boolean).length).toBeGreaterThanOrEqual(9);
  expect(anomalous.filter((_, i) => i % 2 === 0).filter(Boolean).length).toBeLessThanOrEqual(1);
}, 240_000);
