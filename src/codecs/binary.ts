/**
 * Binary records, one per message, little-endian. docs/formats.md describes the bytes and has encoders.
 *
 *     0  magic 'VR'    2  version 1     3  flags            4  layout, uint32      8  event time, float64
 *    16  values, uint16                18  conditions      19  bytes of the key
 *    20  key, bitmap of the missing values, values, conditions
 */
import { crc32 } from 'node:zlib';
import { givenConditions } from '../domain/record';
import { DecodeError } from '../errors';
import { decodeEach, type CodecSpec, type Decode, type RecordContext } from './codec';
import { bytesOf, createEnvelopeWriter, messageKey, parseText } from './envelope';
import { checkCount, checkNumber, missingValue } from './values';

const magic = 0x5256;
const version = 1;
const headerBytes = 20;
const flags = { float64: 1, bitmap: 2 } as const;
const knownFlags = flags.float64 | flags.bitmap;
const tags = { missing: 0, number: 1, text: 2 } as const;

export function createBinaryDecoder(
  context: Omit<RecordContext, 'fields'> & Partial<Pick<RecordContext, 'fields'>>,
): Decode {
  const { schema, limits } = context;
  const { channels } = schema;
  const names = givenConditions(schema.conditions).map(({ name }) => name);
  const layout = layoutOf(channels, names);
  const writeEnvelope = createEnvelopeWriter('', context);

  return (message, batch, row, now) => {
    const bytes = bytesOf(message.value, limits.maxBytes);
    const isMissing = readHeader(bytes, layout);
    const valueCount = bytes.readUInt16LE(16);
    const width = (bytes[3]! & flags.float64) === 0 ? 4 : 8;
    const key = headerBytes;
    const bitmap = key + bytes[19]!;
    const values = bitmap + (isMissing ? Math.ceil(valueCount / 8) : 0);
    const present = isMissing ? countPresent(bytes, bitmap, valueCount) : valueCount;
    const conditions = values + width * present;
    // Conditions are the last part, so reading them rejects truncated records.
    const given = readGiven(bytes, conditions, names);

    const time = bytes.readDoubleLE(8);
    writeEnvelope(
      {
        key: bitmap > key ? parseText(bytes, key, bitmap) : messageKey(message),
        timestamp: Number.isNaN(time) ? message.timestamp : time,
        unit: Number.isNaN(time) ? 'message' : 'ms',
        conditions: given,
      },
      batch,
      row,
      now,
    );
    checkCount(valueCount, schema);
    const offset = row * channels.length;
    let at = values;
    for (let i = 0; i < channels.length; i++) {
      if (i >= valueCount || (isMissing && hasBit(bytes, bitmap, i))) {
        batch.values[offset + i] = missingValue(channels[i]!, schema);
        continue;
      }
      const value = width === 8 ? bytes.readDoubleLE(at) : bytes.readFloatLE(at);
      batch.values[offset + i] = checkNumber(value, channels[i]!, schema);
      at += width;
    }
  };
}

/**
 * Identifies the channels and conditions of a record and their order: CRC-32 of the names. A length alone would not detect a
 * producer with another order of the channels.
 */
export function layoutOf(channels: readonly string[], conditions: readonly string[]): number {
  const lines = [...channels, '', ...conditions].map((name) => `${name}\n`);
  return crc32(lines.join(''));
}

/**
 * Checks the header; returns whether the record has a bitmap of missing values.
 * @throws DecodeError for another format or version, or other channels
 */
function readHeader(bytes: Buffer, layout: number): boolean {
  if (bytes.length < headerBytes || bytes.readUInt16LE(0) !== magic)
    throw new DecodeError('unknown_format', 'the first bytes are not those of a binary record');
  if (bytes[2] !== version)
    throw new DecodeError('unknown_format', `unknown version ${bytes[2]!} of the binary format`);
  const flagBits = bytes[3]!;
  if ((flagBits & ~knownFlags) !== 0)
    throw new DecodeError('damaged_record', `unknown flags (0x${flagBits.toString(16)})`);
  const given = bytes.readUInt32LE(4);
  if (given !== 0 && given !== layout) {
    throw new DecodeError(
      'schema_mismatch',
      `written for other channels or conditions, or for another order (layout ${hex(given)}, here ${hex(layout)})`,
    );
  }
  return (flagBits & flags.bitmap) !== 0;
}

const noConditions = Object.freeze(Object.create(null)) as Record<string, unknown>;

/** The conditions by name, at the end of the record. Conditions that the detector does not have are ignored. */
function readGiven(bytes: Buffer, from: number, names: readonly string[]): Record<string, unknown> {
  const count = bytes[18]!;
  const given = count === 0 ? noConditions : (Object.create(null) as Record<string, unknown>);
  let at = from;
  for (let i = 0; i < count; i++) {
    const tag = bytes[at];
    let value: unknown;
    if (tag === tags.number && at + 9 <= bytes.length) {
      value = bytes.readDoubleLE(at + 1);
      at += 9;
    } else if (tag === tags.text && at + 2 <= bytes.length) {
      const end = at + 2 + bytes[at + 1]!;
      if (end <= bytes.length) value = parseText(bytes, at + 2, end);
      at = end;
    } else if (tag === tags.missing) at += 1;
    else throw damaged(bytes, at);
    const name = names[i];
    if (name !== undefined) given[name] = value;
  }
  if (at !== bytes.length) throw damaged(bytes, at);
  return given;
}

function damaged(bytes: Buffer, at: number): DecodeError {
  return new DecodeError(
    'damaged_record',
    at < bytes.length
      ? `byte ${at} of ${bytes.length} is invalid`
      : `the record is truncated after ${bytes.length} bytes`,
  );
}

/** Number of values that are present: bits of the bitmap that are 0. */
function countPresent(bytes: Buffer, bitmap: number, count: number): number {
  let present = 0;
  for (let i = 0; i < count; i++) if (!hasBit(bytes, bitmap, i)) present++;
  return present;
}

/** Bits after the end of the record count as 0. */
function hasBit(bytes: Buffer, bitmap: number, i: number): boolean {
  return ((bytes[bitmap + (i >> 3)] ?? 0) & (1 << (i & 7))) !== 0;
}

function hex(layout: number): string {
  return `0x${layout.toString(16).padStart(8, '0')}`;
}

export const binary: CodecSpec = {
  doc: 'a compact format of vaemon, which ignores `fields`.',
  registered: false,
  create: (context) => decodeEach(context.schema, createBinaryDecoder(context)),
};
