/** Validation of channel values. */
import type { RecordSchema } from '../domain/record';
import { DecodeError } from '../errors';
import { describe } from './envelope';

/** Largest float32, because the models compute in float32. */
const maxFloat32 = 3.4028234663852886e38;

/**
 * Checks a number as the value of a channel; NaN = missing, in formats that have it.
 * @throws DecodeError if the value is missing but required, or out of range
 */
export function checkNumber(value: number, channel: string, schema: RecordSchema): number {
  if (Math.abs(value) <= maxFloat32) return value;
  if (Number.isNaN(value)) return missingValue(channel, schema);
  throw new DecodeError('out_of_range', `channel "${channel}": ${value} is out of the range of float32`);
}

/** @throws DecodeError if values are required */
export function missingValue(channel: string, schema: RecordSchema): number {
  if (schema.missingChannels === 'mask') return NaN;
  throw new DecodeError('missing_channel', `channel "${channel}" is missing`);
}

/** @throws DecodeError if the value is neither a number nor absent */
export function parseValue(value: unknown, channel: string, schema: RecordSchema): number {
  if (typeof value === 'number') return checkNumber(value, channel, schema);
  if (value === undefined || value === null) return missingValue(channel, schema);
  if (typeof value === 'string') return parseText(value, channel, schema);
  throw notANumber(channel, value);
}

/** Whether text has the form of a number in JSON, with spaces around it. */
export const isNumberText = (text: string): boolean =>
  /^\s*-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?\s*$/i.test(text);

/** @throws DecodeError if the text neither stands for a missing value nor may be read as a number */
function parseText(text: string, channel: string, schema: RecordSchema): number {
  const { texts = 'reject', missingTexts = [] } = schema;
  if (missingTexts.includes(text.trim())) return missingValue(channel, schema);
  if (texts === 'numbers' && isNumberText(text)) return checkNumber(Number(text), channel, schema);
  throw notANumber(channel, text);
}

export function notANumber(channel: string, value: unknown): DecodeError {
  return new DecodeError('not_a_number', `channel "${channel}" must be a number, got ${describe(value)}`);
}

export function unknownChannel(name: string): DecodeError {
  return new DecodeError(
    'unknown_channel',
    `channel ${JSON.stringify(name.slice(0, 80))} is not in the schema`,
  );
}

/** @throws DecodeError if a list has more values than channels and extra channels are rejected */
export function checkCount(count: number, { channels, extraChannels }: RecordSchema): void {
  if (count > channels.length && extraChannels === 'reject')
    throw new DecodeError('unknown_channel', `${count} values for ${channels.length} channels`);
}
