/**
 * The body of a remote write: a `WriteRequest` of Protocol Buffers, compressed with snappy.
 * https://prometheus.io/docs/specs/prw/remote_write_spec
 */
import { bytes, double, int, message, text } from '../../system/protobuf';

export interface WrittenSeries {
  /** With `__name__`. */
  labels: Readonly<Record<string, string>>;
  /** In order of time, Unix ms. */
  samples: readonly (readonly [time: number, value: number])[];
}

export const writeHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
} as const;

export async function encodeWriteRequest(series: readonly WrittenSeries[]): Promise<Buffer> {
  const { compress } = await import('snappy');
  const encoded = series.map(({ labels, samples }) =>
    bytes(
      1,
      message(
        // Receivers expect the labels in order.
        ...Object.entries(labels)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => bytes(1, message(text(1, name), text(2, value)))),
        ...samples.map(([time, value]) => bytes(2, message(double(1, value), int(2, time)))),
      ),
    ),
  );
  return compress(Buffer.from(message(...encoded)));
}
