/** Images as a detector sees them: all of one size, a byte for each value, row by row. */
export interface ImageShape {
  /** Pixels. */
  width: number;
  height: number;
  colour: 'grey' | 'rgb';
}

/** How images arrive, and how they are brought to their shape. */
export interface ImageFormat extends ImageShape {
  /** `auto`: PNG or JPEG, as the first bytes say; `raw`: a byte for each value, row by row, in the size that is wanted. */
  format: 'auto' | 'raw';
  /** How an image of another shape is brought to the one that is wanted: stretched, cut at two sides, or with a black border. */
  fit: 'fill' | 'cover' | 'contain';
  /** An image that says it has more pixels is refused before it is unpacked: a few bytes can stand for gigabytes. */
  maxPixels: number;
}

/** Values of a pixel. */
export function colourChannels({ colour }: Pick<ImageShape, 'colour'>): 1 | 3 {
  return colour === 'grey' ? 1 : 3;
}

/** Bytes of one image; value i belongs to pixel ⌊i / colour channels⌋, counted row by row. */
export function imageBytes(image: ImageShape): number {
  return image.width * image.height * colourChannels(image);
}
