/** What the command line does with images: train on a folder of PNG files, generate, encode; evaluate idx files. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { runCli } from '../../src/cli/cli';
import type { Detection } from '../../src/domain/detection';
import { nameOfBox } from '../../src/domain/image';
import { imageFaults } from '../../src/domain/image-faults';
import { powerByKind, type DetectionPower } from '../../src/scoring/detection-power';
import { createRandom, tf } from '../../src/tensor';
import { removeFolders, writeFolder } from '../config/folder';
import { captureContext } from './capture';

const side = 8;
const count = 300;

/** A bright bar across, somewhere; a strange one runs down. */
function bar(seed: number, strange = false): Buffer {
  const random = createRandom(seed);
  const at = Math.floor(random.uniform() * side);
  return Buffer.from(
    Array.from({ length: side * side }, (_, i) => {
      const across = strange ? i % side : Math.floor(i / side);
      return Math.floor((across === at ? 200 : 0) + 20 * random.uniform());
    }),
  );
}

function idx(images: readonly Buffer[], height = side, width = side): Buffer {
  const head = Buffer.alloc(16);
  [0x803, images.length, height, width].forEach((value, i) => head.writeUInt32BE(value, 4 * i));
  return gzipSync(Buffer.concat([head, ...images]));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

let folder: string;
const inFolder = (name: string): string => join(folder, name);

async function vaemon(...argv: string[]): Promise<{ out: string; err: string; code: number }> {
  const captured = captureContext({ VAEMON_STORE_PATH: inFolder('models') });
  await runCli(argv, captured.context);
  return { out: captured.stdout(), err: captured.stderr(), code: captured.exitCode() };
}

beforeAll(async () => {
  folder = await writeFolder({
    'camera.yaml': `detector: camera
record: { kind: image, image: { width: ${side}, height: ${side} } }
model: { kind: vae, hidden: [16], latentDim: 3 }
training: { epochs: 60, patience: 60, minRecords: 100, learningRate: 0.01, batchSize: 32 }
calibration: { statistics: [reconstruction, channel], falseAlarmTarget: 0.01 }
source: { kind: file, file: { path: PATH, historyRecords: ${count} } }
`,
  });
  const text = (await readFile(inFolder('camera.yaml'), 'utf8')).replace('PATH', inFolder('bars'));
  await writeFile(inFolder('camera.yaml'), text);
  await mkdir(inFolder('bars'));
  for (const i of range(0, count)) {
    const png = sharp(bar(i), { raw: { width: side, height: side, channels: 1 } }).png();
    // The last but one is damaged, and must not be in the way of the others.
    const bytes = await png.toBuffer();
    const name = `${String(i).padStart(4, '0')}.png`;
    await writeFile(join(folder, 'bars', name), i === count - 2 ? bytes.subarray(0, 60) : bytes);
  }
}, 60_000);
afterEach(() => expect(tf.memory().numTensors).toBe(0));
afterAll(removeFolders);

test('a folder of PNG files is trained on; the model draws images and encodes those it has seen', async () => {
  const trained = await vaemon('train', inFolder('camera.yaml'));
  expect(trained).toMatchObject({ code: 0 });
  expect(trained.out).toMatch(/^camera: version \S+Z\n {2}records {3}\d+, from .*; 1 rejected\n {2}windows /);
  const report = /report +(\S+)$/m.exec(trained.out)![1]!;
  const { detectionPower, ...others } = JSON.parse(await readFile(report, 'utf8')) as {
    detectionPower: DetectionPower;
  };
  expect(others).toMatchObject({ records: count - 1, rejectedRecords: 1 });
  expect(Object.keys(powerByKind(detectionPower)).sort()).toEqual(Object.keys(imageFaults).sort());
  expect(powerByKind(detectionPower).occlusion).toBeGreaterThan(0.5);

  const png = inFolder('samples.png');
  expect(await vaemon('generate', inFolder('camera.yaml'), '-n', '10', '--out', png)).toMatchObject({
    code: 0,
  });
  const { width, height, channels } = await sharp(png).metadata();
  // Four across, three down, a pixel around each.
  expect([width, height, channels]).toEqual([4 * (side + 1) + 1, 3 * (side + 1) + 1, 1]);
  expect(await vaemon('generate', inFolder('camera.yaml'))).toMatchObject({
    code: 1,
    err: 'vaemon: images are written to a file: --out samples.png\n',
  });

  const encoded = await vaemon('encode', inFolder('camera.yaml'));
  const lines = encoded.out.trim().split('\n');
  expect(lines[0]).toBe('key,timestamp,z1,z2,z3');
  expect(lines).toHaveLength(count);
  expect(lines[1]).toMatch(/^bars,1970-01-01T00:00:00.000Z,/);
  expect(JSON.parse(encoded.err.trim().split('\n').at(-1)!)).toMatchObject({
    message: 'records of the history were rejected',
    rejected: 1,
    records: count,
    reasons: [expect.stringMatching(/^1 damaged_image \(/)],
  });
}, 60_000);

describe('evaluate', () => {
  const strange = (i: number): boolean => i % 4 === 3;
  beforeAll(async () => {
    await writeFile(inFolder('bars.train.idx3.gz'), idx(range(0, count).map((i) => bar(i))));
    await writeFile(inFolder('bars.test.idx3.gz'), idx(range(500, 600).map((i) => bar(i, strange(i)))));
    const labels = range(500, 600).map((i) => (strange(i) ? 7 : 0));
    await writeFile(inFolder('bars.label.idx1'), Buffer.from([0, 0, 8, 1, 0, 0, 0, 100, ...labels]));
    const any = (await readFile(inFolder('camera.yaml'), 'utf8')).replace(/^(record|source):.*\n/gm, '');
    await writeFile(inFolder('any.yaml'), any);
  });
  const paths = (): string[] => [
    ...['--train', inFolder('bars.train.idx3.gz'), '--test', inFolder('bars.test.idx3.gz')],
  ];

  test('idx images: size from the file, a row for every image, labels from idx', async () => {
    const out = inFolder('scores.csv');
    const labels = inFolder('bars.label.idx1');
    const result = await vaemon(
      ...['evaluate', inFolder('any.yaml'), ...paths(), '--labels', labels, '--out', out, '--json'],
    );
    expect(result).toMatchObject({ code: 0 });
    const lines = (await readFile(out, 'utf8')).trim().split('\n');
    expect([lines.length, lines[0]]).toEqual([101, 'series,index,score,flag']);
    expect(lines[100]).toMatch(/^bars,99,[\d.e-]+,[01]$/);
    const { judgement, details } = JSON.parse(result.out) as {
      judgement: { macro: { rocAuc: number } };
      details: { windowNotFull: number; rejected: object }[];
    };
    expect(judgement.macro.rocAuc).toBeGreaterThan(0.95);
    expect(details[0]).toMatchObject({ windowNotFull: 0, rejected: {} });
  }, 60_000);

  test('images of another size than the configured, or than those of the other file, are an error', async () => {
    expect(
      (await vaemon('evaluate', inFolder('any.yaml'), ...paths(), '--set', 'record.image.width=9')).err,
    ).toContain('has images of 8 × 8 pixels, but record.image has 9 × 8');
    await writeFile(inFolder('small.idx3.gz'), idx([Buffer.alloc(4)], 2, 2));
    const other = ['--train', inFolder('bars.train.idx3.gz'), '--test', inFolder('small.idx3.gz')];
    expect((await vaemon('evaluate', inFolder('any.yaml'), ...other)).err).toContain('of 8 × 8 pixels, but');
  });
});

test('one image is explained, with a picture of where it does not fit', async () => {
  const strange = inFolder('strange');
  await mkdir(strange);
  for (const [name, bytes] of Object.entries({ '0.png': bar(5000), '1.png': bar(5001, true) }))
    await sharp(bytes, { raw: { width: side, height: side, channels: 1 } })
      .png()
      .toFile(join(strange, name));
  const map = inFolder('heat.png');
  const run = await vaemon(
    'explain',
    inFolder('camera.yaml'),
    strange,
    '-i',
    '1',
    '--heat-map',
    map,
    '--json',
  );
  expect(run).toMatchObject({ code: 0, err: '' });
  const { contributions } = JSON.parse(run.out) as Detection;
  const bright = bar(5001, true);
  const column = Array.from(bright.subarray(0, side)).indexOf(Math.max(...bright.subarray(0, side)));
  // Around the bar: high and narrow.
  const { region, channel, contribution } = contributions[0]!;
  expect(channel).toBe(nameOfBox(region!));
  expect(region!.x <= column && column < region!.x + region!.width).toBe(true);
  expect(region!.height).toBeGreaterThan(region!.width);
  expect(contribution).toBeGreaterThan(0);
  const { data, info } = await sharp(map).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.channels]).toEqual([side, side, 3]);
  // Where the bar runs down, at any height, it is redder than beside it.
  const meanRed = (keep: (x: number) => boolean): number => {
    const reds = range(0, side * side).flatMap((i) => (keep(i % side) ? [data[3 * i]!] : []));
    return reds.reduce((sum, red) => sum + red, 0) / reds.length;
  };
  expect(meanRed((x) => x === column)).toBeGreaterThan(3 * meanRed((x) => x !== column));
});
