/** The Python of docs/formats.md, against the TypeScript beside it: the decoder's own tests rest on the latter. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { layoutOf } from '../../src/codecs/binary';
import { codeBlock, loadEncoder, type BinaryRecord } from '../formats/document';

/** Reads records from standard input, one JSON array of arguments a line, and prints them encoded. */
const program = `${codeBlock('python')}

import json
import sys

for line in sys.stdin:
    record, layout, float64 = json.loads(line)
    print(encode_record(**record, layout=layout_of(*layout), float64=float64).hex())
`;

test('both encoders write the same bytes', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 });
  const number = fc.float({ noNaN: true, noDefaultInfinity: true });
  const orMissing = <T>(one: fc.Arbitrary<T>) => fc.oneof(fc.constant(null), one);
  const record: fc.Arbitrary<BinaryRecord> = fc.record(
    {
      key: text,
      timestamp: fc.double({ noNaN: true, noDefaultInfinity: true }),
      values: fc.array(orMissing(number), { maxLength: 40 }),
      conditions: fc.array(orMissing(fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true })))),
    },
    { requiredKeys: ['values'] },
  );
  const names = fc.array(text, { maxLength: 5 });
  const cases = fc.tuple(record, fc.tuple(names, names), fc.boolean());
  const lines = fc.sample(cases, { numRuns: 300, seed: 1 }).map((one) => JSON.stringify(one));

  const output = execFileSync('python3', ['-c', program], { input: lines.join('\n'), encoding: 'utf8' });
  const encode = loadEncoder();
  const expected = lines.map((line) => {
    // From the line, for JSON has no negative zero.
    const [one, layout, float64] = JSON.parse(line) as [BinaryRecord, [string[], string[]], boolean];
    return encode(one, { layout: layoutOf(...layout), float64 }).toString('hex');
  });
  expect(output.trimEnd().split('\n')).toEqual(expected);
});
