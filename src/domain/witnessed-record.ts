/** A scored record as the web page shows it. */
export interface WitnessedRecord {
  partition: number;
  key: string;
  /** Event time, Unix ms. */
  timestamp: number;
  surprise: number;
  /** Surprise from which the record is anomalous, raised by the baseline of its device. */
  threshold: number;
  /** The surprise less the rise of the baseline, for comparison with the threshold of the detector. */
  aboveBaseline: number;
  anomalous: boolean;
  /** Keeps the data needed to draw where an anomalous image is anomalous. */
  image?: () => OddImage;
}

/** Draws an image with its anomalous regions marked. */
export type OddImage = () => DrawnImage;

export interface DrawnImage {
  /** Pixels. */
  width: number;
  height: number;
  /** RGB values, row by row. Shape [height, width, 3]. */
  pixels: Uint8Array;
}

/** Writes the actual value of each channel, followed by the expected values, from `at` on; NaN = none. */
export type WriteValues = (into: Float32Array, at: number) => void;

/** Called for each scored live record, in order within a key. It must return quickly. */
export type ObserveRecord = (
  record: WitnessedRecord,
  channels: readonly string[],
  write: WriteValues,
) => void;
