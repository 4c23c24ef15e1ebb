/** What a channel may say. */
import type { RecordSchema } from '../domain/record';
import { DecodeError } from '../errors';
import { describe } from './envelope';

/** The models compute in float32; what it cannot hold is no measurement. */
const maxFloat32 = 3.4028234663852886e38;

/**
 * A number as the value of a channel. NaN is a value that is missing: formats with numbers of their own say it so.
 * @throws DecodeError when it is missing and may not be, or is no measurement
 */
export function checkNumber(value: number, channel: string, schema: RecordSchema): number {
  if (Math.abs(value) <= maxFloat32) return value;
  if (Number.isNaN(value)) return missingValue(channel, schema);
  throw new DecodeError(
    'out_of_range',
    `channel "${channel}": ${value} is not a value that a sensor can have`,
  );
}

/** @throws DecodeError where no value may be missing */
export function missingValue(channel: string, schema: RecordSchema): number {
  if (schema.missingChannels === 'mask') return NaN;
  throw new DecodeError('missing_channel', `channel "${channel}" is missing`);
}

/** @throws DecodeError when it is neither a number nor absent */
export function parseValue(value: unknown, channel: string, schema: RecordSchema): number {
  if (typeof value === 'number') return checkNumber(value, channel, schema);
  if (value === undefined || value === null) return missingValue(channel, schema);
  throw new DecodeError('not_a_number', `channel "${channel}" must be a number, got ${describe(value)}`);
}

export function unknownChannel(name: string): DecodeError {
  return new DecodeError(
    'unknown_channel',
    `channel ${JSON.stringify(name.slice(0, 80))} is not in the schema`,
  );
}

/** @throws DecodeError when there are more values in a list than channels, and none may be left over */
export function checkCount(count: number, { channels, extraChannels }: RecordSchema): void {
  if (count > channels.length && extraChannels === 'reject')
    throw new DecodeError('unknown_channel', `${count} values for ${channels.length} channels`);
}
