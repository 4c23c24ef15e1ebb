import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { createCategoryTable, createConditionReader } from '../../../src/domain/condition';
import type { ImageFormat } from '../../../src/domain/image';
import type { RecordSchema } from '../../../src/domain/record';
import { DecodeError, rejectReasons, type RejectReason } from '../../../src/errors';
import { createImageDecoder, type ImageFields } from '../../../src/codecs/image/image';
import type { Message } from '../../../src/sources/source';
import { createRandom } from '../../../src/tensor';
import { imageSchema } from '../../image-schema';

const now = Date.UTC(2026, 0, 1);
const grey: ImageFormat = {
  width: 8,
  height: 6,
  colour: 'grey',
  format: 'auto',
  fit: 'fill',
  maxPixels: 10_000,
};
const plain: ImageFields = { key: 'key', timestamp: 'timestamp', conditions: 'conditions', image: '' };
const inJson: ImageFields = { ...plain, image: 'image' };

interface Way {
  image?: Partial<ImageFormat>;
  fields?: ImageFields;
  schema?: Partial<RecordSchema>;
  message?: Partial<Message>;
}

function messageOf(value: Buffer | null, changes: Partial<Message> = {}): Message {
  return {
    key: Buffer.from('camera-1'),
    value,
    timestamp: now - 5000,
    origin: { topic: 't', partition: 0, offset: '0' },
    warmUp: false,
    ...changes,
  };
}

async function decode(values: readonly (Buffer | null)[], way: Way = {}) {
  const image = { ...grey, ...way.image };
  const schema = { ...imageSchema(image), ...way.schema };
  const table = createCategoryTable();
  const decodeBatch = createImageDecoder(
    {
      fields: way.fields ?? plain,
      schema,
      limits: { maxBytes: 20_000, maxAheadMs: 1000 },
      readConditions: createConditionReader(schema.conditions, table),
    },
    image,
  );
  const { records, rows } = await decodeBatch(
    values.map((value) => messageOf(value, way.message)),
    now,
  );
  const size = records.values.length / records.capacity;
  const pixels = Array.from({ length: records.count }, (_, i) => [
    ...records.values.subarray(i * size, (i + 1) * size),
  ]);
  const reasons = rows.map((row) => (row instanceof DecodeError ? row.reason : row));
  const texts = rows.map((row) => (row instanceof DecodeError ? row.message : ''));
  return { records, rows, pixels, reasons, texts, table };
}

/** Noise, which no lossy format reproduces by chance. */
function noise(width: number, height: number, channels: 1 | 3 | 4, seed = 1): Buffer {
  const random = createRandom(seed);
  return Buffer.from(
    Array.from({ length: width * height * channels }, () => Math.floor(random.uniform() * 256)),
  );
}
const picture = (pixels: Buffer, width: number, height: number, channels: 1 | 3 | 4): sharp.Sharp =>
  sharp(pixels, { raw: { width, height, channels } });

const pixels = noise(8, 6, 1);
const png = (): Promise<Buffer> => picture(pixels, 8, 6, 1).toColourspace('b-w').png().toBuffer();
const jpeg = (): Promise<Buffer> => picture(pixels, 8, 6, 1).jpeg({ quality: 100 }).toBuffer();
/** The same PNG with another size in its header, and the matching checksum. */
function withSize(file: Buffer, width: number, height: number): Buffer {
  const changed = Buffer.from(file);
  changed.writeUInt32BE(width, 16);
  changed.writeUInt32BE(height, 20);
  let crc = 0xffffffff;
  for (const byte of changed.subarray(12, 29)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  changed.writeUInt32BE(~crc >>> 0, 29);
  return changed;
}
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('a message that is an image', () => {
  test('PNG is decoded byte for byte, with the key and the time of the message', async () => {
    const { records, pixels: decoded } = await decode([await png()]);
    expect(decoded).toEqual([[...pixels]]);
    expect(records.values).toBeInstanceOf(Uint8Array);
    expect([records.keys[0], records.timestamps[0]]).toEqual(['camera-1', now - 5000]);
  });

  test('JPEG is decoded approximately', async () => {
    const { pixels: decoded } = await decode([await jpeg()]);
    expect(decoded[0]!.every((value, i) => Math.abs(value - pixels[i]!) <= 4)).toBe(true);
  });

  test('raw bytes are copied, in grey and in colour', async () => {
    expect((await decode([pixels], { image: { format: 'raw' } })).pixels).toEqual([[...pixels]]);
    const rgb = noise(8, 6, 3);
    const { pixels: decoded } = await decode([rgb], { image: { format: 'raw', colour: 'rgb' } });
    expect(decoded).toEqual([[...rgb]]);
  });

  test('is rejected without a key', async () => {
    const { reasons } = await decode([await png()], { message: { key: null } });
    expect(reasons).toEqual(['missing_key']);
  });
});

describe('images are converted to', () => {
  test('colour: three bytes per pixel, also from grey images', async () => {
    const rgb = noise(8, 6, 3);
    const coloured = await picture(rgb, 8, 6, 3).png().toBuffer();
    const { pixels: decoded } = await decode([coloured, await png()], { image: { colour: 'rgb' } });
    expect(decoded[0]).toEqual([...rgb]);
    expect(decoded[1]).toEqual([...pixels].flatMap((value) => [value, value, value]));
  });

  test('grey: one byte per pixel, as bright as the colours', async () => {
    const red = Buffer.from(Array.from({ length: 48 }, () => [200, 0, 0]).flat());
    const white = Buffer.alloc(48 * 3, 255);
    const pngs = [red, white].map((rgb) => picture(rgb, 8, 6, 3).png().toBuffer());
    const { pixels: decoded } = await decode(await Promise.all(pngs));
    expect(new Set(decoded[1])).toEqual(new Set([255]));
    expect(decoded[0]![0]).toBeGreaterThan(20);
    expect(decoded[0]![0]).toBeLessThan(150);
  });

  test('black where they are transparent', async () => {
    const clear = Buffer.from(Array.from({ length: 48 }, () => [255, 255, 255, 0]).flat());
    const { pixels: decoded } = await decode([await picture(clear, 8, 6, 4).png().toBuffer()]);
    expect(sum(decoded[0]!)).toBe(0);
  });

  test('8 bits from 16, scaled and not clipped', async () => {
    const deep = await picture(Buffer.alloc(48, 128), 8, 6, 1).toColourspace('grey16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    const { pixels: decoded } = await decode([deep]);
    expect(decoded[0]!.every((value) => Math.abs(value - 128) <= 1)).toBe(true);
  });

  test.each([
    ['fill', [255, 255, 255, 255, 255, 255, 255, 255]],
    ['cover', [255, 255, 255, 255, 255, 255, 255, 255]],
    ['contain', [0, 0, 255, 255, 255, 255, 0, 0]],
  ] as const)('a square one into a wide shape: %s', async (fit, row) => {
    const white = await picture(Buffer.alloc(16 * 16, 255), 16, 16, 1)
      .png()
      .toBuffer();
    const { pixels: decoded } = await decode([white], { image: { width: 8, height: 4, fit } });
    expect(decoded[0]!.slice(0, 8)).toEqual(row);
    expect(decoded[0]).toHaveLength(32);
  });

  test('upright images, according to the orientation in the file', async () => {
    // The upper half is white; orientation 3 means upside down.
    const upper = Buffer.concat([Buffer.alloc(24, 255), Buffer.alloc(24, 0)]);
    const turned = await picture(upper, 8, 6, 1).withMetadata({ orientation: 3 }).png().toBuffer();
    const { pixels: decoded } = await decode([turned]);
    expect([sum(decoded[0]!.slice(0, 24)), sum(decoded[0]!.slice(24))]).toEqual([0, 24 * 255]);
  });
});

describe('the light of an image', () => {
  const dim = pixels.map((value) => 10 + Math.round(value / 4));
  const light = pixels.map((value) => 60 + Math.round(value / 4));
  const drawn = (bytes: Uint8Array): Promise<Buffer> =>
    picture(Buffer.from(bytes), 8, 6, 1).toColourspace('b-w').png().toBuffer();
  const mean = (values: readonly number[]): number => sum(values) / values.length;

  test('is evened out: a darker and a lighter image are the same', async () => {
    const { pixels: decoded } = await decode([await drawn(dim), await drawn(light)], {
      image: { normalise: 'brightness' },
    });
    expect(decoded[0]).toEqual(decoded[1]);
    expect(mean(decoded[0]!)).toBeCloseTo(128, 0);
    const given = Math.max(...dim) - Math.min(...dim);
    expect(Math.max(...decoded[0]!) - Math.min(...decoded[0]!)).toBe(given);
  });

  test('and its contrast, by a factor of four at most', async () => {
    const weak = dim.map((value) => 100 + Math.round(value / 32));
    const way: Way = { image: { normalise: 'contrast' } };
    const { pixels: decoded } = await decode([await drawn(dim), await drawn(weak)], way);
    const deviation = (values: readonly number[]): number =>
      Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
    expect(deviation(decoded[0]!)).toBeCloseTo(48, 0);
    expect(deviation(decoded[1]!)).toBeCloseTo(4 * deviation([...weak]), 0);
  });

  test('of one colour is grey', async () => {
    for (const normalise of ['brightness', 'contrast'] as const) {
      const { pixels: decoded } = await decode([await drawn(Buffer.alloc(48, 7))], { image: { normalise } });
      expect(new Set(decoded[0])).toEqual(new Set([128]));
    }
  });
});

describe('an image of a camera that is none of the usual ones', () => {
  const halves = (width: number, height: number): Buffer =>
    Buffer.from(Array.from({ length: width * height }, (_, i) => (i % width < width / 2 ? 255 : 0)));

  test('of one pixel fills the image with it', async () => {
    const one = await picture(Buffer.of(77), 1, 1, 1).toColourspace('b-w').png().toBuffer();
    const { pixels: decoded, records } = await decode([one]);
    expect(new Set(decoded[0])).toEqual(new Set([77]));
    expect(records.frames!.get(0)).toMatchObject({ width: 1, height: 1 });
  });

  test('of 10,000 × 10 pixels is scaled, or cropped', async () => {
    const wide = await picture(halves(10_000, 10), 10_000, 10, 1).png().toBuffer();
    const way = { image: { maxPixels: 100_000 } };
    const { pixels: decoded, records } = await decode([wide], way);
    const row = decoded[0]!.slice(0, 8);
    expect(row.slice(0, 3).every((value) => value > 250)).toBe(true);
    expect(row.slice(5).every((value) => value < 5)).toBe(true);
    expect(records.frames!.get(0)).toMatchObject({ width: 10_000, height: 10, across: 1250, x: 0 });
    expect((await decode([wide], { image: { maxPixels: 99_999 } })).reasons).toEqual(['too_many_pixels']);
  });

  test('in CMYK has the colours that people see', async () => {
    const red = Buffer.from(Array.from({ length: 48 }, () => [200, 30, 30]).flat());
    const cmyk = await picture(red, 8, 6, 3).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    const { pixels: decoded } = await decode([cmyk], { image: { colour: 'rgb' } });
    const [r, g, b] = decoded[0]!;
    expect(r).toBeGreaterThan(150);
    expect(Math.max(g!, b!)).toBeLessThan(90);
  });

  test('that is half transparent is darker by half', async () => {
    const half = Buffer.from(Array.from({ length: 48 }, () => [200, 200, 200, 128]).flat());
    const { pixels: decoded } = await decode([await picture(half, 8, 6, 4).png().toBuffer()]);
    expect(decoded[0]!.every((value) => Math.abs(value - 100) <= 2)).toBe(true);
  });

  test('that moves is rejected by its format', async () => {
    const frames = Buffer.concat([noise(8, 6, 3, 1), noise(8, 6, 3, 2)]);
    const moving = sharp(frames, { raw: { width: 8, height: 12, channels: 3, pageHeight: 6 } });
    const files = [await moving.clone().gif().toBuffer(), await moving.clone().webp().toBuffer()];
    const { reasons } = await decode(files);
    expect(reasons).toEqual(['not_an_image', 'not_an_image']);
  });

  test('that moves as a PNG shows its first frame', async () => {
    const still = await png();
    const chunk = (name: string, data: Buffer): Buffer => {
      const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(data.length);
      check.writeUInt32BE(crc32(Buffer.concat([Buffer.from(name), data])));
      return Buffer.concat([length, Buffer.from(name), data, check]);
    };
    /** After the signature and the header, and before the end. */
    const [headEnd, end] = [33, still.length - 12];
    const moving = Buffer.concat([
      still.subarray(0, headEnd),
      chunk('acTL', Buffer.of(0, 0, 0, 2, 0, 0, 0, 0)),
      still.subarray(headEnd, end),
      chunk('fdAT', Buffer.concat([Buffer.of(0, 0, 0, 1), Buffer.alloc(20, 7)])),
      still.subarray(end),
    ]);
    const { pixels: decoded } = await decode([still, moving]);
    expect(decoded[1]).toEqual(decoded[0]);
  });

  test('has the place of its pixels in the image as it came, upright', async () => {
    const high = await picture(halves(12, 32), 12, 32, 1).jpeg({ quality: 100 }).toBuffer();
    const lying = await sharp(high).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
    const { records } = await decode([high, lying, await png()]);
    expect(records.frames!.get(0)).toMatchObject({ width: 12, height: 32, across: 1.5, down: 32 / 6 });
    expect(records.frames!.get(1)).toMatchObject({ width: 32, height: 12, across: 4, down: 2 });
    expect(records.frames!.has(2)).toBe(false);
  });
});

describe('an image in JSON', () => {
  const record = { key: 'a', timestamp: now - 1, image: '', conditions: { product: 'cream' } };
  const json = (changes: object): Buffer => Buffer.from(JSON.stringify({ ...record, ...changes }));
  const given: Way = {
    fields: inJson,
    schema: { conditions: [{ name: 'product', kind: 'category', maxValues: 4, missing: 'reject' }] },
  };

  test('has key, time and conditions in the same record', async () => {
    const {
      records,
      pixels: decoded,
      table,
    } = await decode([json({ image: (await png()).toString('base64') })], given);
    expect(decoded).toEqual([[...pixels]]);
    expect([records.keys[0], records.timestamps[0]]).toEqual(['a', now - 1]);
    expect(table.value(records.conditions[0]!)).toBe('cream');
  });

  test('may be raw', async () => {
    const { pixels: decoded } = await decode([json({ image: pixels.toString('base64') })], {
      ...given,
      image: { format: 'raw' },
    });
    expect(decoded).toEqual([[...pixels]]);
  });

  test.each<[RejectReason, object]>([
    ['missing_image', { image: undefined }],
    ['missing_image', { image: 7 }],
    ['missing_image', { image: '' }],
    ['not_base64', { image: 'no base64 at all' }],
    ['not_base64', { image: `${Buffer.alloc(30).toString('base64')}=` }],
    ['not_an_image', { image: Buffer.alloc(30).toString('base64') }],
    ['missing_condition', { image: 'valid', conditions: {} }],
    ['missing_key', { image: 'valid', key: undefined }],
    ['timestamp_in_future', { image: 'valid', timestamp: now + 1e6 }],
  ])('is refused: %s', async (reason, changes) => {
    const valid = (await png()).toString('base64');
    const value = 'image' in changes && changes.image === 'valid' ? { ...changes, image: valid } : changes;
    expect((await decode([json(value)], given)).reasons).toEqual([reason]);
  });

  test('is rejected as not_json if it is not JSON', async () => {
    expect((await decode([await png(), Buffer.from('[1]')], given)).reasons).toEqual([
      'not_json',
      'not_an_object',
    ]);
  });
});

describe('an unusable image', () => {
  test('is rejected with a specific reason', async () => {
    const whole = await png();
    const large = picture(noise(101, 100, 1), 101, 100, 1);
    const { reasons, texts } = await decode([
      null,
      Buffer.alloc(0),
      Buffer.alloc(20_001),
      Buffer.from('hello'),
      await picture(pixels, 8, 6, 1).webp().toBuffer(),
      await picture(pixels, 8, 6, 1).gif().toBuffer(),
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="6"/>'),
      whole.subarray(0, 40),
      await large.jpeg().toBuffer(),
    ]);
    expect(reasons).toEqual([
      ...['empty', 'empty', 'too_large', 'not_an_image', 'not_an_image', 'not_an_image', 'not_an_image'],
      ...['damaged_image', 'too_many_pixels'],
    ]);
    expect(texts.at(-1)).toBe('more pixels than record.image.maxPixels (10000)');
  });

  test('is not unpacked if a few bytes encode gigabytes', async () => {
    const bomb = withSize(await png(), 60_000, 60_000);
    const before = process.memoryUsage().rss;
    const { reasons } = await decode([bomb], { image: { maxPixels: 25_000_000 } });
    expect(reasons).toEqual(['too_many_pixels']);
    expect((await decode([withSize(await png(), 8, 6)])).reasons).toEqual([0]);
    // Unpacked it would be 3.6 GB.
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  test('with raw bytes of another size is rejected with both sizes', async () => {
    const { reasons, texts } = await decode([pixels.subarray(1), Buffer.concat([pixels, pixels])], {
      image: { format: 'raw' },
    });
    expect(reasons).toEqual(['wrong_image_size', 'wrong_image_size']);
    expect(texts[0]).toBe('a raw image of 8 × 6 pixels in grey has 48 bytes, this one 47');
  });

  test('is rejected wherever the file is truncated: half an image would look like an anomaly', async () => {
    // The last 12 bytes of a PNG and the last 2 of a JPEG are only end markers.
    for (const [file, tail] of [
      [
        await picture(noise(40, 40, 1), 40, 40, 1)
          .png()
          .toBuffer(),
        12,
      ],
      [
        await picture(noise(40, 40, 1), 40, 40, 1)
          .jpeg()
          .toBuffer(),
        2,
      ],
    ] as const) {
      const cuts = Array.from({ length: 40 }, (_, i) => 1 + Math.floor((i * (file.length - tail - 1)) / 40));
      const { reasons } = await decode(cuts.map((cut) => file.subarray(0, cut)));
      expect(reasons.filter((reason) => reason !== 'damaged_image' && reason !== 'not_an_image')).toEqual([]);
    }
  });

  test('with flipped bytes has a row or a reason', async () => {
    const random = createRandom(7);
    const files = [await png(), await jpeg()];
    const broken = Array.from({ length: 300 }, (_, i) => {
      const bytes = Buffer.from(files[i % 2]!);
      for (let flips = 0; flips < 3; flips++)
        bytes[Math.floor(random.uniform() * bytes.length)]! ^= 1 + Math.floor(random.uniform() * 255);
      return bytes;
    });
    const { rows, records, reasons } = await decode(broken);
    expect(rows).toHaveLength(300);
    expect(rows.filter((row) => typeof row === 'number')).toEqual([...Array(records.count).keys()]);
    expect(reasons.filter((reason) => typeof reason === 'string').length).toBeGreaterThan(100);
    for (const reason of reasons) if (typeof reason === 'string') expect(rejectReasons).toContain(reason);
  });
});

test('records keep the order of their messages, without gaps for rejected ones', async () => {
  const images = Array.from({ length: 20 }, (_, i) => noise(8, 6, 1, i));
  const values = await Promise.all(
    images.map((image, i) =>
      i % 3 === 1 ? Promise.resolve(Buffer.from('x')) : picture(image, 8, 6, 1).png().toBuffer(),
    ),
  );
  const { pixels: decoded, reasons } = await decode(values);
  expect(decoded).toEqual(images.filter((_, i) => i % 3 !== 1).map((image) => [...image]));
  let row = 0;
  expect(reasons).toEqual(images.map((_, i) => (i % 3 === 1 ? 'not_an_image' : row++)));
});

describe('16-bit PNG', () => {
  const size = { width: 16, height: 16 };
  const deep = (value: (i: number) => number): Promise<Buffer> =>
    sharp(
      Uint16Array.from({ length: 256 }, (_, i) => value(i)),
      { raw: { ...size, channels: 1 } },
    )
      .toColourspace('grey16')
      .png()
      .toBuffer();
  const level = (i: number): number => 1_000 + 2 * i;
  const pixelsOf = async (files: readonly Buffer[], bits?: number) => {
    const decoded = await decode(files, { image: { ...size, ...(bits !== undefined && { bits }) } });
    return { rows: decoded.rows, pixels: decoded.pixels.flat() };
  };

  test('of a camera with 12 bits keep the grey levels of the same image at 16 bits', async () => {
    const low = await pixelsOf([await deep(level)]);
    const full = await pixelsOf([await deep((i) => 16 * level(i))]);
    expect(low.pixels).toEqual(full.pixels);
    expect(new Set(low.pixels).size).toBeGreaterThan(30);
    expect(low.pixels[0]).toBe(1_000 >> 4);
  });

  test('of 12 bits are scaled as those of 16 after one that needs 16, or by the setting', async () => {
    const files = [await deep(() => 1_600), await deep(() => 40_000), await deep(() => 1_600)];
    const first = (given: readonly number[]) => [0, 1, 2].map((i) => given[256 * i]);
    expect(first((await pixelsOf(files)).pixels)).toEqual([100, 156, 6]);
    expect(first((await pixelsOf(files, 16)).pixels)).toEqual([6, 156, 6]);
    const { rows } = await pixelsOf(files, 12);
    expect(rows[1]).toMatchObject({
      reason: 'out_of_range',
      message: 'a pixel has the value 40000, but record.image.bits is 12',
    });
    expect([rows[0], rows[2]]).toEqual([0, 1]);
  });

  test('in colour keep their levels, too', async () => {
    const rgb = Uint16Array.from({ length: 3 * 256 }, (_, i) => 1_000 + i);
    const file = await sharp(rgb, { raw: { ...size, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    const decoded = await decode([file], { image: { ...size, colour: 'rgb' } });
    expect(decoded.pixels[0]).toEqual(Array.from(rgb, (value) => value >> 4));
  });
});

describe('a JPEG with a wrong byte', () => {
  const size = { width: 64, height: 48 };
  const original = (): Promise<Buffer> =>
    sharp(
      Uint8Array.from({ length: 64 * 48 }, (_, i) => (i * 7) % 251),
      { raw: { ...size, channels: 1 } },
    )
      .jpeg()
      .toBuffer();
  /** The end of the spectral selection in the header of the scan, which decoders of sequential files ignore. */
  const withWrongScanHeader = (file: Buffer): Buffer => {
    const bytes = Buffer.from(file);
    const at = bytes.indexOf(Buffer.of(0xff, 0xda));
    bytes[at + 5 + 2 * bytes[at + 4]! + 1] = 0;
    return bytes;
  };
  const withDamagedPixels = (file: Buffer): Buffer =>
    Buffer.concat([file.subarray(0, -300), Buffer.alloc(50, 0x55), file.subarray(-250)]);

  test('in the header of its scan is decoded in full', async () => {
    const file = await original();
    const decoded = await decode([file, withWrongScanHeader(file)], { image: size });
    expect(decoded.rows).toEqual([0, 1]);
    expect(decoded.pixels[1]).toEqual(decoded.pixels[0]);
  });

  test('among its pixels is rejected, also if its header has one', async () => {
    const damaged = withDamagedPixels(await original());
    const cut = (await original()).subarray(0, -200);
    const files = [damaged, withWrongScanHeader(damaged), cut, withWrongScanHeader(cut)];
    const { rows } = await decode(files, { image: size });
    expect(rows.map((row) => (row as DecodeError).reason)).toEqual(Array(4).fill('damaged_image'));
  });
});
