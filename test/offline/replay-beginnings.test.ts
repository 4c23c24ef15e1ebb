import { beginningsOf } from '../../src/offline/replay/beginnings';
import type { RecordedDetection } from '../../src/offline/replay/recorded';

/** @param text of each record its version, `.` = none, of one partition */
function beginnings(...texts: string[]) {
  const recorded = new Map<string, RecordedDetection[]>();
  const origins = texts.flatMap((text, partition) =>
    text.split('').map((modelVersion, i) => {
      const origin = `${partition}/${10 + i}`;
      if (modelVersion !== '.') recorded.set(origin, [{ modelVersion, anomalous: false, surprise: 0 }]);
      return origin;
    }),
  );
  const found = beginningsOf(origins, recorded);
  return Object.fromEntries([...found].map(([version, of]) => [version, Object.fromEntries(of)]));
}

test('a version begins after the last detection of the version before it', () => {
  expect(beginnings('aaabb')).toEqual({ b: { 0: { offset: 13n, isExact: true } } });
});

test('where records between have no detection, the beginning is not exact', () => {
  expect(beginnings('..a.a..bb.b')).toEqual({ b: { 0: { offset: 15n, isExact: false } } });
});

test('each partition has beginnings of its own, and a version that scores its first records has none', () => {
  expect(beginnings('ab', '', 'bbb', '...', 'aabbc')).toEqual({
    b: { 0: { offset: 11n, isExact: true }, 4: { offset: 12n, isExact: true } },
    c: { 4: { offset: 14n, isExact: true } },
  });
});

test('a version that comes into use again has no exact beginning', () => {
  expect(beginnings('aba')).toEqual({
    a: { 0: { offset: 0n, isExact: false } },
    b: { 0: { offset: 11n, isExact: true } },
  });
});
