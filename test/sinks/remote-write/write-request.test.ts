import fc from 'fast-check';
import { uncompress } from 'snappy';
import { encodeLabels, encodeWriteRequest } from '../../../src/sinks/remote-write/write-request';
import { bytes, double, int, message, text } from '../../../src/system/protobuf';

test('a request is what the general writer of Protocol Buffers writes', async () => {
  const labels = fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 200 }), { maxKeys: 3 });
  const time = fc.oneof(fc.nat(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
  const samples = fc.array(fc.tuple(time, fc.double()), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ labels, samples })), async (series) => {
      const written = await encodeWriteRequest(
        series.map((one) => ({ ...one, labels: encodeLabels(one.labels) })),
      );
      const expected = message(
        ...series.map((one) =>
          bytes(
            1,
            message(
              ...Object.entries(one.labels)
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .map(([name, value]) => bytes(1, message(text(1, name), text(2, value)))),
              ...one.samples.map(([at, value]) => bytes(2, message(double(1, value), int(2, at)))),
            ),
          ),
        ),
      );
      expect(Buffer.compare(Buffer.from(await uncompress(written)), Buffer.from(expected))).toBe(0);
    }),
  );
});
