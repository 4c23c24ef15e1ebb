/**
 * The body of a remote write: a `WriteRequest` of Protocol Buffers, compressed with snappy.
 * https://prometheus.io/docs/specs/prw/remote_write_spec
 */
import { bytes, message, text } from '../../system/protobuf';

/** Time in Unix ms, from 1970 on. */
export type Sample = readonly [time: number, value: number];

export interface EncodedSeries {
  /** Labels encoded by `encodeLabels`, once for many requests. */
  labels: Uint8Array;
  /** Samples in order of time. */
  samples: readonly Sample[];
}

export const writeHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
} as const;

/** `repeated Label labels = 1`, with `__name__`. Receivers expect them in order. */
export function encodeLabels(labels: Readonly<Record<string, string>>): Uint8Array {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return message(...sorted.map(([name, value]) => bytes(1, message(text(1, name), text(2, value)))));
}

export async function encodeWriteRequest(series: readonly EncodedSeries[]): Promise<Buffer> {
  const { compress } = await import('snappy');
  return compress(encode(series));
}

/** Bytes of a sample besides its time value: its field and length, its value, and the field of its time. */
const fixedSampleBytes = 2 + 9 + 1;

/** Maximum size of a series' field and length. */
const seriesHeadBytes = 1 + 5;

/** Writes all series to one buffer; one buffer per sample would be slow. */
function encode(series: readonly EncodedSeries[]): Buffer {
  const lengths = series.map(({ labels, samples }) =>
    samples.reduce((sum, [time]) => sum + fixedSampleBytes + varintBytes(time), labels.length),
  );
  const into = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + seriesHeadBytes + length, 0));
  let at = 0;
  /** Bit operators would cut numbers beyond 32 bits. */
  function varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) into[at++] = (rest % 0x80) | 0x80;
    into[at++] = rest;
  }
  series.forEach(({ labels, samples }, i) => {
    into[at++] = (1 << 3) | 2;
    varint(lengths[i]!);
    into.set(labels, at);
    at += labels.length;
    for (const [time, value] of samples) {
      into[at++] = (2 << 3) | 2;
      into[at++] = fixedSampleBytes - 2 + varintBytes(time);
      into[at++] = (1 << 3) | 1;
      at = into.writeDoubleLE(value, at);
      into[at++] = 2 << 3;
      varint(time);
    }
  });
  return into.subarray(0, at);
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) count++;
  return count;
}
