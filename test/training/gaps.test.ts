import { createGapReader } from '../../src/training/gaps';

const interval = 30_000;

/** Four devices; the length of the pause of `d1`, and of all, in rounds. */
function read({ pause = 0, outage = 0, streams = ['a'] } = {}) {
  const reader = createGapReader(10);
  for (const stream of streams)
    for (let round = 0; round < 100; round++)
      for (let d = 0; d < 4; d++) {
        if (d === 1 && round >= 50 && round < 50 + pause) continue;
        reader.add(stream, `d${d}`, (round + (round >= 70 ? outage : 0)) * interval + d * 1000);
      }
  return reader.statistics()!;
}

test('a gap is counted in intervals of its device, from the twenty-first record on', () => {
  const { count, longest } = read({ pause: 7 });
  expect(count).toBe(4 * 79 - 7);
  expect(longest[0]).toBeCloseTo(8, 0);
  expect(longest[1]).toBeLessThan(1.3);
});

test('a pause of all devices is no gap of any', () => {
  expect(read({ outage: 500 }).longest[0]).toBeLessThan(2.2);
});

test('there is no gap from one stream to the next', () => {
  const { count, longest } = read({ streams: ['a', 'b'] });
  expect(count).toBe(2 * 4 * 79);
  expect(longest[0]).toBeLessThan(1.3);
});

test('a history of one record has no gap', () => {
  const reader = createGapReader(10);
  reader.add('a', 'd0', 5);
  expect(reader.statistics()).toBeUndefined();
});
