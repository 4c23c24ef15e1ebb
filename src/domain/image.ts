/** Images of a detector: all of one size, one byte per value, row by row. */
export interface ImageShape {
  /** Pixels. */
  width: number;
  height: number;
  colour: 'grey' | 'rgb';
  /** Side of the squares that a model reads separately, in pixels (tiles.ts); 0 or absent = it reads the whole image. */
  tile?: number;
}

/** The format of images in messages, and how they are scaled to the shape of the detector. */
export interface ImageFormat extends ImageShape {
  /**
   * `auto`: PNG or JPEG, recognised by the first bytes; `raw`: one byte per value, row by row, in the size of the detector.
   */
  format: 'auto' | 'raw';
  /** For images of another aspect ratio: stretch, cut two sides, or add a black border. */
  fit: 'fill' | 'cover' | 'contain';
  /** Whether the light of each image is evened out: its mean, or its standard deviation as well. Absent = not at all. */
  normalise?: 'none' | 'brightness' | 'contrast';
  /** Images with more pixels are rejected before they are decoded: a few bytes can decode to gigabytes. */
  maxPixels: number;
  /** Bits that the values of 16-bit files use; 0 or absent = derived from the values. */
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

/** A rectangle of whole pixels. */
export interface Box {
  /** Left column, from 0. `y` is the upper row. */
  x: number;
  y: number;
  width: number;
  height: number;
}

/** `x 0-6, y 7-13`: both ends included. */
export function nameOfBox({ x, y, width, height }: Box): string {
  return `x ${x}-${x + width - 1}, y ${y}-${y + height - 1}`;
}

/** Name of a box, such as `x 0-6, y 7-13`: both ends are included. */
export interface Frame {
  /** Width of the original after its EXIF rotation, in pixels. */
  width: number;
  height: number;
  /** Place of the left upper corner in the original; negative beyond a border that was added. */
  x: number;
  y: number;
  /** Width of a pixel of the image, in pixels of the original. */
  across: number;
  down: number;
}

/** @returns undefined if the original has the size of the detector */
export function frameOf(
  { width, height, fit }: Pick<ImageFormat, 'width' | 'height' | 'fit'>,
  original: { width: number; height: number },
): Frame | undefined {
  if (original.width === width && original.height === height) return undefined;
  const [byWidth, byHeight] = [original.width / width, original.height / height];
  const scale = fit === 'cover' ? Math.min(byWidth, byHeight) : Math.max(byWidth, byHeight);
  const [across, down] = fit === 'fill' ? [byWidth, byHeight] : [scale, scale];
  return {
    ...original,
    x: (original.width - across * width) / 2,
    y: (original.height - down * height) / 2,
    across,
    down,
  };
}

/** The box of the original image that contains a box of the detector's image; at least one pixel. */
export function toOriginal(box: Box, { width, height, x, y, across, down }: Frame): Box {
  const clamp = (at: number, end: number): number => Math.max(0, Math.min(end, at));
  const left = clamp(Math.floor(x + box.x * across), width - 1);
  const top = clamp(Math.floor(y + box.y * down), height - 1);
  const right = clamp(Math.ceil(x + (box.x + box.width) * across), width);
  const bottom = clamp(Math.ceil(y + (box.y + box.height) * down), height);
  return { x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}
