/** A record on which there is a decision, as those see it who show it to people. */
export interface WitnessedRecord {
  partition: number;
  key: string;
  /** Event time, Unix ms. */
  timestamp: number;
  surprise: number;
  /** Surprise from which it is anomalous; the baseline of its device raises it. */
  threshold: number;
  /** The surprise less that rise: what the threshold of the detector is compared with. */
  aboveBaseline: number;
  anomalous: boolean;
  /** Keeps the data to draw where an anomalous image is odd. */
  image?: () => OddImage;
}

/** Draws an image with the places where it is odd. */
export type OddImage = () => DrawnImage;

export interface DrawnImage {
  /** Pixels. */
  width: number;
  height: number;
  /** RGB, row by row. Shape [height, width, 3]. */
  pixels: Uint8Array;
}

/** Writes the actual value of each channel, and after them the expected ones, from `at` on; NaN where there is none. */
export type WriteValues = (into: Float32Array, at: number) => void;

/** Called for each live record with a decision, in the order of the records of a key; returns soon. */
export type ObserveRecord = (
  record: WitnessedRecord,
  channels: readonly string[],
  write: WriteValues,
) => void;
