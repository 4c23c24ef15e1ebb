/** Training images for a model that reads images tile by tile: some of their tiles. */
import { imageBytes, type ImageShape } from '../domain/image';
import { createTiles } from '../domain/tiles';
import type { Random } from '../tensor';
import type { Dataset, WindowSource } from './dataset';
import type { Split } from './split';

/**
 * Maximum numbers of tiles to fit, and for early stopping: bounds the time of a training. More tiles of one kind of surface
 * improve little.
 */
const mostToFit = 800;
const mostToValidate = 160;

export interface TiledDataset {
  /** The dataset; its rows are tiles. */
  dataset: WindowSource;
  split: Split;
}

/** @param split of the images */
export function tiledDataset(images: Dataset, split: Split, image: ImageShape, random: Random): TiledDataset {
  const tiles = createTiles(image);
  const perImage = tiles.boxes.length;

  /** Drawn with equal probability over all images and places. */
  function draw(rows: Int32Array, most: number): Int32Array {
    const all = new Int32Array(rows.length * perImage);
    rows.forEach((row, i) => {
      for (let tile = 0; tile < perImage; tile++) all[i * perImage + tile] = row * perImage + tile;
    });
    random.shuffle(all);
    return all.slice(0, most);
  }

  return {
    dataset: {
      shape: { ...images.shape, channels: imageBytes(tiles.shape) },
      copy(end, batch) {
        const row = Math.floor(end / perImage);
        const { key } = images.devices.find(({ to }) => row < to)!;
        tiles.append(images, row, key, end % perImage, batch);
      },
    },
    split: {
      fit: draw(split.fit, mostToFit),
      validation: draw(split.validation, mostToValidate),
      calibration: draw(split.calibration, mostToValidate),
    },
  };
}
