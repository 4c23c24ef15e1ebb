/** Text of producers, where a person or a spreadsheet reads it. */
import type { Detection } from '../../src/domain/detection';
import { csvLine } from '../../src/offline/csv';
import { formatExplanation } from '../../src/offline/explain/report';
import { printable } from '../../src/system/printable';

/** ESC, OSC with BEL, CSI of C1, right-to-left override, line separator, zero width joiner. */
const hostile = '\x1b[2Jpump\x1b]0;owned\x07\x9b31m\u202egnp.exe\u2028\u200d';
// eslint-disable-next-line no-control-regex
const unprintable = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/;

test('explain escapes keys and channels', () => {
  const detection = {
    detector: 'plant',
    modelVersion: 'v',
    key: hostile,
    timestamp: 0,
    origin: { topic: 't', partition: 0, offset: '1' },
    surprise: 9,
    threshold: 5,
    anomalous: true,
    statistics: { reconstruction: 1 },
    contributions: [{ channel: hostile, actual: 1, expected: 2, surprise: 3, contribution: 4 }],
  } as unknown as Detection;
  const text = formatExplanation(detection);
  expect(text).not.toMatch(unprintable);
  expect(text).toContain('\\u001b[2Jpump\\u001b]0;owned\\u0007\\u009b31m\\u202egnp.exe\\u2028');
});

test('other text is left as it is', () => {
  for (const text of ['Pumpe Süd 3', 'насос', '泵 1', '😀', 'a b']) expect(printable(text)).toBe(text);
});

test.each(["=cmd|' /C calc'!A0", '+1+1', '-1+1', '@SUM(A1)', '\tx', '\rx'])(
  'a key %j is no formula in CSV; numbers stay numbers',
  (key) => {
    const line = csvLine([key, -1.5, 'plain']);
    expect(line.replace(/^"/, '').startsWith(`'${key[0]}`)).toBe(true);
    expect(line).toContain(',-1.5,plain');
  },
);
