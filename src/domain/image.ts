/** Images of a detector: all of one size, one byte per value, row by row. */
export interface ImageShape {
  /** Pixels. */
  width: number;
  height: number;
  colour: 'grey' | 'rgb';
}

/** The format of images in messages, and how they are scaled to the shape of the detector. */
export interface ImageFormat extends ImageShape {
  /** `auto`: PNG or JPEG, by the first bytes; `raw`: one byte per value, row by row, in the size of the detector. */
  format: 'auto' | 'raw';
  /** For images of another aspect ratio: stretch, cut two sides, or add a black border. */
  fit: 'fill' | 'cover' | 'contain';
  /** Images with more pixels are rejected before they are unpacked: a few bytes can unpack to gigabytes. */
  maxPixels: number;
  /** Bits that the values of 16-bit files use; 0 or absent = by their values. */
  bits?: number;
}

/** Values per pixel. */
export function colourChannels({ colour }: Pick<ImageShape, 'colour'>): 1 | 3 {
  return colour === 'grey' ? 1 : 3;
}

/** Bytes of one image; value i belongs to pixel ⌊i / colour channels⌋, counted row by row. */
export function imageBytes(image: ImageShape): number {
  return image.width * image.height * colourChannels(image);
}
