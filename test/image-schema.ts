/** A schema of records that are images. */
import type { ImageShape } from '../src/domain/image';
import type { RecordSchema } from '../src/domain/record';

export function imageSchema(image: ImageShape, conditions: RecordSchema['conditions'] = []): RecordSchema {
  return {
    kind: 'image',
    image,
    channels: [],
    missingChannels: 'reject',
    extraChannels: 'reject',
    conditions,
  };
}
