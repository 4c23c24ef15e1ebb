/** Key `window`: the records of a device that are scored together. */
import { choice, whole } from '../schema/formats';
import { duration } from '../schema/time-formats';
import type { Parsed, Section } from '../schema/key';
import type { Rule } from '../schema/rule';

export const windowSection = {
  length: whole({ doc: 'Records per window: what the model reads at once.', default: 10 }, { max: 10_000 }),
  maxKeys: whole({
    doc:
      'Devices per partition whose windows are kept. A further device waits until one of these is silent for the time of a ' +
      'window of its own, or for `window.ttl`. `vaemon config check` estimates the memory.',
    default: 10_000,
  }),
  ttl: duration(
    {
      doc: 'A device without a record for this long (event time) starts a new window, whatever `window.gaps` is.',
      default: '1h',
    },
    { min: 1 },
  ),
  interval: duration({
    doc: 'Time between two records of a device. 0: irregular, and no gap is recognised.',
    default: '0s',
  }),
  gaps: choice(
    {
      doc:
        'Effect of more than one and a half intervals without a record. `ignore`: none. `break`: the device starts a new window. ' +
        '`fill`: records with missing values take the place of the absent ones.',
      default: 'ignore',
    },
    ['ignore', 'break', 'fill'],
  ),
  padding: choice(
    {
      doc:
        'How a new window begins. `none`: no detections until it is full. `missing`: detections from the first record on; the ' +
        'values before it are missing.',
      default: 'none',
    },
    ['none', 'missing'],
  ),
} satisfies Section;

interface WindowSettings {
  record: { kind: 'sensor' | 'image' };
  window: Parsed<typeof windowSection>;
}

export const windowRules: readonly Rule<WindowSettings>[] = [
  {
    keys: ['window.length', 'record.kind'],
    problem: ({ record, window }) =>
      record.kind === 'image' && ![1, windowSection.length.default].includes(window.length)
        ? `must be left out for images: each image is a window (got ${window.length})`
        : undefined,
  },
  {
    keys: ['window.interval', 'window.gaps'],
    problem: ({ window }) =>
      window.gaps !== 'ignore' && window.intervalMs === 0
        ? `is required where window.gaps is \`${window.gaps}\`: without it no gap is recognised`
        : undefined,
  },
  {
    keys: ['window.interval', 'window.ttl'],
    problem: ({ window }) =>
      window.intervalMs <= window.ttlMs
        ? undefined
        : `must not be above window.ttl: every record would start a new window (got ${window.intervalMs} ms, ${window.ttlMs} ms)`,
  },
];
