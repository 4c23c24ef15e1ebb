/** Keys of image records, `record.image`. */
import { choice, whole } from '../../schema/formats';
import type { Parsed, Section } from '../../schema/key';
import type { SectionRule } from '../../schema/rule';

export const imageSection = {
  width: whole(
    { doc: 'Width that images are scaled to, in pixels. Required for `record.kind: image`.', default: 0 },
    { min: 0, max: 4096 },
  ),
  height: whole(
    { doc: 'Height that images are scaled to, in pixels. Required for `record.kind: image`.', default: 0 },
    { min: 0, max: 4096 },
  ),
  colour: choice({ doc: 'Colours that images are converted to.', default: 'grey' }, ['grey', 'rgb']),
  tile: whole(
    {
      doc:
        'Side of the tiles that large images are cut into, in pixels, such as 224; tiles overlap by an eighth at least. The model reads ' +
        'tile by tile, so that small defects of large images are seen, and the score of an image is that of its most unusual tiles. ' +
        '0: the model reads the whole image.',
      default: 0,
    },
    { min: 0, max: 512 },
  ),
  format: choice(
    {
      doc:
        'Format of images. `auto`: PNG or JPEG, recognised by the first bytes. `raw`: one byte per value, row by row, exactly ' +
        'width × height bytes (× 3 for `rgb`).',
      default: 'auto',
    },
    ['auto', 'raw'],
  ),
  fit: choice(
    {
      doc: 'How images of another shape are scaled. `fill`: stretched. `cover`: cropped. `contain`: with black borders.',
      default: 'fill',
    },
    ['fill', 'cover', 'contain'],
  ),
  normalise: choice(
    {
      doc:
        'Whether the light of each image is evened out, for cameras whose brightness drifts. `brightness`: the mean of its values ' +
        'becomes 128. `contrast`: their standard deviation becomes 48 as well, by a factor of 4 at most. Images that are as a whole ' +
        'too dark or too bright are then normal.',
      default: 'none',
    },
    ['none', 'brightness', 'contrast'],
  ),
  maxPixels: whole({
    doc: 'Images whose header states more pixels are rejected before they are unpacked.',
    default: 25_000_000,
  }),
  bits: whole(
    {
      doc:
        'Bits that the values of 16-bit PNG files use, such as 12; larger values are rejected. 0: 12 until a value needs more, ' +
        'then 16 for all further images.',
      default: 0,
    },
    { min: 0, max: 16 },
  ),
} satisfies Section;

const size = (
  side: 'width' | 'height',
): SectionRule<Parsed<typeof imageSection>, { record: { kind: 'sensor' | 'image' } }> => ({
  keys: [side],
  beside: ['record.kind'],
  problem(image, { record }) {
    const isGiven = image[side] > 0;
    if (record.kind === 'image') return isGiven ? undefined : 'is required for images, in pixels';
    return isGiven ? 'has no effect unless record.kind is "image"' : undefined;
  },
});

const bitsRule: SectionRule<Parsed<typeof imageSection>, { record: { kind: 'sensor' | 'image' } }> = {
  keys: ['bits'],
  problem: ({ bits }) => (bits === 0 || bits >= 8 ? undefined : `must be 0, or from 8 to 16 (got ${bits})`),
};

/** Smallest tile: on smaller ones the backbone and the gradients have only few cells. */
const leastTile = 32;

const tileRule: SectionRule<Parsed<typeof imageSection>, { record: { kind: 'sensor' | 'image' } }> = {
  keys: ['tile', 'width', 'height'],
  beside: ['record.kind'],
  problem({ tile, width, height }, { record }) {
    if (tile === 0) return undefined;
    if (record.kind !== 'image') return 'has no effect unless record.kind is "image"';
    if (tile < leastTile) return `must be 0, or ${leastTile} at least (got ${tile})`;
    const side = Math.min(width, height);
    return tile <= side
      ? undefined
      : `must not be larger than the image of ${width} × ${height} (got ${tile})`;
  },
};

export const imageRules = [size('width'), size('height'), bitsRule, tileRule];
