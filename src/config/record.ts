/** Keys `fields` and `record`: the contents of records, and their places in them. */
import { formatKey } from '../codecs/settings';
import { imageRules, imageSection } from '../codecs/image/settings';
import { isTimestampUnit, timestampUnits } from '../domain/time';
import { createTimePattern } from '../domain/time-pattern';
import { choice, field, key, names, oneOf, show, whole } from '../schema/formats';
import { duration, isTimeZone, timeZoneType } from '../schema/time-formats';
import type { Parsed, Section } from '../schema/key';
import { rulesOf, type Rule } from '../schema/rule';
import { didYouMean, nearest } from '../schema/suggest';
import { messageOf } from '../system/error-text';
import { conditions } from './conditions';
import { signals } from './signals';

export const fieldsSection = {
  key: field(
    {
      doc: 'Path of the device (key) in a record; `\\.` is a dot within a name. Empty: the key of the message.',
      default: 'key',
    },
    { empty: true },
  ),
  timestamp: field(
    {
      doc: 'Path of the event time (ISO 8601 with a zone, or Unix time). Empty: the timestamp of the message.',
      default: 'timestamp',
    },
    { empty: true },
  ),
  timestampFormat: key(
    {
      doc:
        'How times are written that are not ISO 8601: by a pattern (docs/formats.md), such as `dd.MM.yyyy HH:mm:ss`, or in a unit ' +
        'of Unix times. `auto`: the unit follows from the size of the number, for times from 2001-09-09 to 2286-11-20, and times ' +
        'before 2001-09-09 are rejected, which any other value allows.',
      default: 'auto',
    },
    {
      type: `${oneOf(timestampUnits)}, or a pattern of times`,
      read: (value) => (typeof value === 'string' ? readTimestampFormat(value) : undefined),
    },
  ),
  timeZone: key(
    {
      doc: 'Time zone of times that state none, such as those of many CSV files. Empty: these are rejected.',
      default: '',
    },
    {
      type: `${timeZoneType}, or empty`,
      read: (value) => (value === '' || isTimeZone(value) ? value : undefined),
    },
  ),
  values: field(
    {
      doc: 'Path of the values, an object by channel or a list. Empty: channels are fields of the record itself.',
      default: 'values',
    },
    { empty: true },
  ),
  image: field(
    { doc: 'Path of the image, in base64. Empty: the message is the image, without JSON.', default: '' },
    { empty: true },
  ),
  conditions: field(
    {
      doc: 'Path of the conditions, an object by name. Empty: conditions are fields of the record itself.',
      default: 'conditions',
    },
    { empty: true },
  ),
} satisfies Section;

export const recordSection = {
  kind: choice(
    { doc: 'What a record is. `sensor`: values by channel. `image`: an image.', default: 'sensor' },
    ['sensor', 'image'],
  ),
  format: formatKey,
  channels: names({
    doc: 'Channels that the model reads, in this order. Required for `record.kind: sensor`.',
    default: [],
  }),
  image: imageSection,
  missingChannels: choice(
    {
      doc: 'Effect of a channel that is absent or null. `reject`: the record is rejected. `mask`: the value is masked.',
      default: 'reject',
    },
    ['reject', 'mask'],
  ),
  texts: choice(
    {
      doc:
        'Effect of text as the value of a channel. `reject`: the record is rejected. `numbers`: text that is a number in the form of ' +
        'JSON, such as `"19.5"`, is read as the number; other text is rejected.',
      default: 'reject',
    },
    ['reject', 'numbers'],
  ),
  missingTexts: names({
    doc: 'Texts that stand for a missing value of a channel, such as `N/A` or `Bad Input`: as if the channel were null.',
    default: [],
  }),
  extraChannels: choice(
    {
      doc: 'Effect of a channel that is not listed. `reject`: the record is rejected. `ignore`: the value is ignored.',
      default: 'reject',
    },
    ['reject', 'ignore'],
  ),
  conditions: conditions({
    doc:
      'Conditions under which a record is scored, by name. `kind`: how the condition is read; hour and day follow from the event ' +
      'time. `missing` (category, number): `reject` rejects a record without it, `unknown` accepts it; default `reject`. ' +
      '`maxValues` (category): default 64. `timeZone` (hour, day): default `UTC`.',
    default: {},
  }),
  seasons: choice(
    {
      doc:
        'Whether the hour of the day and the day of the week become conditions where the history shows a daily or weekly season, ' +
        'in the time zone of `training.timeZone`. A condition of the same kind in `record.conditions` takes precedence.',
      default: 'auto',
    },
    ['auto', 'off'],
  ),
  signals: signals({
    doc:
      'Prior knowledge of channels. `kind`: `level`, or `counter` for a channel that only grows but for resets, which is scored by ' +
      'its rate per second; default `auto`, by its history. `direction`: only deviations in this direction count; default `both`. `deadband`: smaller ' +
      'deviations from the expected value do not count, in the unit of the channel, of a counter per second; default 0. `limits`: a value outside of ' +
      'these is anomalous, whatever the model expects.',
    default: {},
  }),
  maxBytes: whole(
    {
      doc: 'Size above which a message is rejected. 0: 262144 for sensor records, 33554432 for images.',
      default: 0,
    },
    { min: 0 },
  ),
  maxAhead: duration({ doc: 'Records further in the future than this are rejected.', default: '5m' }),
  duplicates: choice(
    {
      doc: 'Effect of a record with the event time of the newest record of its device. `reject`: a dead letter. `ignore`: counted only.',
      default: 'reject',
    },
    ['reject', 'ignore'],
  ),
  outOfOrder: choice(
    {
      doc: 'Effect of a record older than the newest record of its device; values as for `record.duplicates`.',
      default: 'reject',
    },
    ['reject', 'ignore'],
  ),
} satisfies Section;

/** Maximum message size by kind of record, if `record.maxBytes` is not set: cameras write files of up to some megabytes. */
export const defaultMaxBytes = { sensor: 262_144, image: 33_554_432 } as const;

interface RecordSettings {
  fields: Parsed<typeof fieldsSection>;
  record: Parsed<typeof recordSection>;
}

export const recordRules: readonly Rule<RecordSettings>[] = [
  {
    keys: ['record.channels', 'record.kind'],
    problem({ record: { kind, channels } }) {
      if (kind === 'image')
        return channels.length === 0 ? undefined : `has no effect for images (got ${show(channels)})`;
      return channels.length === 0 ? 'is required: a list of names, at least one' : undefined;
    },
  },
  {
    keys: ['record.signals', 'record.channels'],
    problem({ record: { signals: specs, channels } }) {
      const unknown = specs.filter(({ channel }) => !channels.includes(channel));
      const list = unknown.map(({ channel }) => `${show(channel)}${didYouMean(nearest(channel, channels))}`);
      return unknown.length > 0
        ? `must name channels of record.channels (not ${list.join(', ')})`
        : undefined;
    },
  },
  {
    keys: ['fields.values', 'record.extraChannels', 'record.format', 'record.kind'],
    problem: ({ fields, record }) =>
      record.kind === 'sensor' && fields.values === '' && record.extraChannels === 'reject'
        ? 'can be empty only with record.extraChannels `ignore`: the record has other fields, too'
        : undefined,
  },
  {
    keys: ['fields.image', 'record.kind'],
    problem: ({ record, fields }) =>
      record.kind === 'sensor' && fields.image !== ''
        ? 'has no effect unless record.kind is "image"'
        : undefined,
  },
  {
    keys: ['record.conditions', 'record.kind', 'fields.image'],
    problem({ record, fields }) {
      const given = record.conditions.filter(({ kind }) => kind === 'category' || kind === 'number');
      return record.kind === 'image' && fields.image === '' && given.length > 0
        ? `${oneOf(given.map(({ name }) => name))} cannot be read: a message that is an image has no conditions (set fields.image for images in JSON)`
        : undefined;
    },
  },
  ...rulesOf<Parsed<typeof imageSection>, RecordSettings>(
    'record.image',
    imageRules,
    ({ record }) => record.image,
  ),
];

/** @throws Error if the format is neither a unit nor a pattern */
function readTimestampFormat(format: string): string {
  if (isTimestampUnit(format)) return format;
  try {
    createTimePattern(format);
  } catch (cause) {
    throw new Error(
      `is neither ${oneOf(timestampUnits)} nor a pattern of times (got ${show(format)}): it ${messageOf(cause)}`,
      { cause },
    );
  }
  return format;
}
