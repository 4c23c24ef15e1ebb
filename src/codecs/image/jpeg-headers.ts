/**
 * Corrects headers of JPEG files. Some cameras write invalid values that affect no pixel: libjpeg warns and decodes the file
 * completely, and every viewer shows it. Its warnings about damaged pixels look the same, so the headers are corrected, and the
 * file is read again with warnings as errors. Format: ITU-T T.81, annex B; JFIF 1.02.
 */

const marker = {
  /** Sequential coding: baseline and extended. */
  startOfFrame: new Set([0xc0, 0xc1]),
  startOfScan: 0xda,
  endOfImage: 0xd9,
  application0: 0xe0,
};
/** Markers without a segment: restarts, and the stuffed byte of entropy-coded data. */
const isAlone = (code: number): boolean => code === 0x00 || code === 0x01 || (code >= 0xd0 && code <= 0xd8);

/** A copy with correct headers; undefined if there is nothing to correct. */
export function withCorrectHeaders(bytes: Buffer): Buffer | undefined {
  const copy = Buffer.from(bytes);
  let isSequential = false;
  let at = 2;
  for (;;) {
    at = copy.indexOf(0xff, at);
    if (at < 0 || at + 4 > copy.length) break;
    const code = copy[at + 1]!;
    if (code === marker.endOfImage) break;
    if (code === 0xff || isAlone(code)) {
      at += code === 0xff ? 1 : 2;
      continue;
    }
    const body = at + 4;
    const end = at + 2 + copy.readUInt16BE(at + 2);
    if (end > copy.length) break;
    if (marker.startOfFrame.has(code)) isSequential = true;
    else if (code === marker.startOfScan && isSequential && end - 3 > body) {
      // Spectral selection and successive approximation of sequential coding (B.2.3).
      copy[end - 3] = 0;
      copy[end - 2] = 63;
      copy[end - 1] = 0;
    } else if (code === marker.application0 && copy.toString('latin1', body, body + 5) === 'JFIF\0')
      copy[body + 5] = 1;
    at = Math.max(end, at + 2);
  }
  return copy.equals(bytes) ? undefined : copy;
}
