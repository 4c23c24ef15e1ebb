/** What must hold between the keys of a detector because its records are images, or because they are not. */
import { isIdxPath } from '../domain/recording';
import { oneOf, show } from '../schema/formats';
import type { Rule } from '../schema/rule';
import { detectorSchema } from './schema';
import type { DetectorSettings } from './settings';

type ImageRule = Rule<DetectorSettings>;

/** Some choices of a model make sense for one kind of record alone. */
function onlyFor(
  kind: DetectorSettings['record']['kind'],
  key: 'network' | 'likelihood',
  values: readonly string[],
): ImageRule {
  return {
    keys: [`model.${key}`, 'record.kind'],
    problem: ({ model, record }) =>
      record.kind !== kind && values.includes(model[key])
        ? `${show(model[key])} is for ${kind === 'image' ? 'images' : 'windows of sensor records'} alone`
        : undefined,
  };
}

function sizeRule(side: 'width' | 'height'): ImageRule {
  return {
    keys: [`record.image.${side}`, 'record.kind'],
    problem({ record }) {
      const given = record.image[side] > 0;
      if (record.kind === 'image')
        return given ? undefined : 'is required for images: how many pixels they are brought to';
      return given ? 'means nothing unless record.kind is "image"' : undefined;
    },
  };
}

function isGiven({ kind }: DetectorSettings['record']['conditions'][number]): boolean {
  return kind === 'category' || kind === 'number';
}

export const imageRules: readonly ImageRule[] = [
  {
    keys: ['record.channels', 'record.kind'],
    problem({ record: { kind, channels } }) {
      if (kind === 'image')
        return channels.length === 0 ? undefined : `means nothing for images (got ${show(channels)})`;
      return channels.length === 0 ? 'is required: a list of names, at least one' : undefined;
    },
  },
  sizeRule('width'),
  sizeRule('height'),
  {
    keys: ['window.length', 'record.kind'],
    problem: ({ record, window }) =>
      record.kind === 'image' && ![1, detectorSchema.window.length.default].includes(window.length)
        ? `must be left out for images: each is a window of its own (got ${window.length})`
        : undefined,
  },
  {
    keys: ['record.conditions', 'record.kind', 'fields.image'],
    problem({ record, fields }) {
      const names = record.conditions.filter(isGiven).map(({ name }) => name);
      return record.kind === 'image' && fields.image === '' && names.length > 0
        ? `${oneOf(names)} cannot be read: a message that is an image has no conditions (fields.image is for images in JSON)`
        : undefined;
    },
  },
  {
    keys: ['fields.image', 'record.kind'],
    problem: ({ record, fields }) =>
      record.kind === 'sensor' && fields.image !== ''
        ? 'means nothing unless record.kind is "image"'
        : undefined,
  },
  {
    keys: ['source.file.path', 'source.kind', 'record.kind', 'record.image', 'fields.image'],
    problem({ source, record, fields }) {
      if (source.kind !== 'file' || source.file.path === '') return undefined;
      const { path } = source.file;
      if (!isIdxPath(path)) {
        return record.kind === 'image' && /\.csv(\.gz)?$/.test(path)
          ? `has no images: they come from .idx3 or .ndjson files (got ${show(path)})`
          : undefined;
      }
      if (record.kind === 'sensor') return `has images, but record.kind is "sensor" (got ${show(path)})`;
      const fitting = record.image.format === 'raw' && record.image.colour === 'grey' && fields.image === '';
      return fitting
        ? undefined
        : `has raw grey images: set record.image.format to "raw", its colour to "grey", and no fields.image (got ${show(path)})`;
    },
  },
  onlyFor('image', 'network', ['conv2d']),
  onlyFor('sensor', 'network', ['conv1d']),
  onlyFor('image', 'likelihood', ['bernoulli', 'discretised-logistic', 'auto']),
];
