/** Encodes each record of a window once, although several windows contain it. */
import { joinConditions } from './condition';
import type { EncodedWindows, RecordEncoder, WindowShape } from './window';
import { copyRows, type EncodedRing, type KeyWindow } from './window-ring';

/** The result writes the encoding of a window as number `at` of `out`. */
export function createEncodedCopy({ length, channels }: WindowShape) {
  /** Shared by all keys if windows have one record: no later window contains it. */
  let shared: EncodedRing | undefined;

  function encodedBy(encoder: RecordEncoder, window: KeyWindow): EncodedRing {
    const kept = length === 1 ? shared : window.encoded;
    if (kept?.encoder === encoder) {
      if (length === 1) kept.upTo = 0;
      return kept;
    }
    const x = new Float32Array(length * channels);
    const encoded = { encoder, upTo: 0, x, c: new Float32Array(length * encoder.recordConditionDim) };
    if (length === 1) shared = encoded;
    else window.encoded = encoded;
    return encoded;
  }

  return (window: KeyWindow, out: EncodedWindows, at: number): void => {
    const { encoder } = out;
    const { recordConditionDim } = encoder;
    const isLacking = window.pushed - window.missingAt <= length && window.missingAt >= 0;
    out.lacking[at] = isLacking ? 1 : 0;
    if (isLacking) out.lackingCount++;
    const encoded = encodedBy(encoder, window);
    let unknown = 0;
    for (let i = Math.max(encoded.upTo, window.pushed - length); i < window.pushed; i++) {
      const slot = i % length;
      unknown = encoder.encodeRecord(window, slot, encoded.x, slot, encoded.c, slot);
    }
    encoded.upTo = window.pushed;
    out.unknownConditions += unknown;
    const first = window.pushed % length;
    copyRows(encoded.x, first, length, channels, out.x, at * length);
    if (recordConditionDim > 0) joinConditions(encoded.c, first, length, recordConditionDim, out.c, at);
    if (out.count === at) out.count++;
  };
}
