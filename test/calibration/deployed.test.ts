/** The parts that lead from statistics to surprise. */
import fc from 'fast-check';
import { createBaseline, fitBaseline } from '../../src/calibration/baseline';
import { createLevel, fitLevel } from '../../src/calibration/level';
import { createRunLengths, fitRuns } from '../../src/calibration/run-lengths';
import { createSurprise, fitTail } from '../../src/calibration/tail';
import { createLinear, fitLinear } from '../../src/models/linear';
import { seededNormal } from './seeded';

describe('the tail', () => {
  const normal = seededNormal(1);
  const scores = Float64Array.from({ length: 10_000 }, () => -Math.log(1 - (Math.abs(normal()) % 1)));
  const surprise = createSurprise(fitTail(scores));

  test('gives one record in a hundred a surprise of two', () => {
    const sorted = Float64Array.from(scores).sort();
    expect(surprise(sorted[9900]!)).toBeCloseTo(2, 1);
  });

  test('never falls, and keeps the order of what is far out', () => {
    let before = -1;
    for (let score = 0; score < 1e6; score = score * 1.3 + 0.01) {
      expect(surprise(score)).toBeGreaterThan(before - 1e-12);
      before = surprise(score);
    }
    expect(surprise(2e6)).toBeGreaterThan(surprise(1e6));
  });

  test('a constant statistic has no tail, but a larger value is surprising', () => {
    const constant = createSurprise(fitTail(new Float64Array(50)));
    expect(constant(0)).toBeCloseTo(0, 9);
    expect(constant(1)).toBeGreaterThan(3);
  });
});

describe('the tail of the records before the calibration block', () => {
  const drawn = (seed: number, count: number, spread = 1): Float64Array => {
    const normal = seededNormal(seed);
    return Float64Array.from({ length: count }, () => spread * normal());
  };
  const block = drawn(5, 1000);
  const alone = createSurprise(fitTail(block));

  test('raises the score that is surprising where they went further, and lowers none where they did not', () => {
    const further = createSurprise(fitTail(block, drawn(6, 3000, 2)));
    expect(alone(4)).toBeGreaterThan(3);
    expect(further(4)).toBeCloseTo(-Math.log10(0.0228), 0);
    const nearer = createSurprise(fitTail(block, drawn(7, 3000, 0.5)));
    for (const score of [1, 2, 3, 4, 8]) expect(nearer(score)).toBe(alone(score));
  });

  test('keeps the order of scores that the calibration block has not reached, but history has', () => {
    const surprise = createSurprise(fitTail(block, drawn(8, 3000, 20)));
    let last = surprise(5);
    for (let score = 5.5; score < 200; score += 0.5) {
      expect(surprise(score)).toBeGreaterThan(last);
      last = surprise(score);
    }
    expect(surprise(12)).toBeLessThan(1);
  });

  test.each([1999, 2001, 7001, 50_000])(
    'of %i records a part is stored, which hardly moves a surprise',
    (count) => {
      const before = drawn(9, count, 2);
      const { before: history } = fitTail(block, before);
      expect(history!.scores.length).toBeLessThanOrEqual(2000);
      const all = createSurprise(fitTail(before));
      const part = createSurprise({ ...fitTail(before), before: history! });
      const sorted = Float64Array.from(before).sort();
      let last = -1;
      for (const score of sorted.filter((_, i) => i % 10 === 0)) {
        const surprise = part(score);
        expect(surprise).toBeGreaterThanOrEqual(last);
        last = surprise;
      }
      for (const score of [-4, -1, 0, 1, 2, 3, 4, 5, 6, 9])
        expect(Math.abs(part(score) - all(score))).toBeLessThan(0.1);
    },
  );

  test('never falls as the score grows, and is never above that of the block alone', () => {
    const scores = (minLength: number, maxLength: number) =>
      fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength, maxLength });
    fc.assert(
      fc.property(scores(1, 60), scores(0, 2100), scores(2, 20), (own, earlier, asked) => {
        const tail = fitTail(Float64Array.from(own), Float64Array.from(earlier));
        const surprise = createSurprise(JSON.parse(JSON.stringify(tail)) as typeof tail);
        const ofBlock = createSurprise(fitTail(Float64Array.from(own)));
        let last = 0;
        for (const score of [...asked, ...own, ...earlier.slice(0, 20)].sort((a, b) => a - b)) {
          expect(surprise(score)).toBeGreaterThanOrEqual(last);
          expect(surprise(score)).toBeLessThanOrEqual(ofBlock(score));
          last = surprise(score);
        }
      }),
    );
  });

  test('what is not a number does not count', () => {
    const surprise = createSurprise(fitTail(block, Float64Array.of(NaN, Infinity)));
    expect(surprise(3)).toBe(alone(3));
    expect(surprise(NaN)).toBe(0);
  });
});

describe('the linear sibling', () => {
  const normal = seededNormal(2);
  const x = Float32Array.from({ length: 3 * 4000 }, () => 0);
  for (let i = 0; i < 4000; i++) {
    const common = normal();
    x.set([common + 0.3 * normal(), common + 0.3 * normal(), normal()], 3 * i);
  }
  const keys = Array.from({ length: 4000 }, () => 'a');
  const model = createLinear(fitLinear({ x, c: new Float32Array(), keys }, 3, 0), 3, 0);
  const distance = (values: number[], mask = [1, 1, 1]): number => {
    model.deviation('a', values, mask, 0, [], 0);
    return model.distance();
  };

  test('has the mean of a χ² variable with one degree of freedom for each channel', () => {
    let sum = 0;
    for (let i = 0; i < 4000; i++) sum += distance(Array.from(x.subarray(3 * i, 3 * i + 3))) / 4000;
    expect(sum).toBeGreaterThan(2.7);
    expect(sum).toBeLessThan(3.3);
  });

  test('finds a broken correlation within the range of each channel', () => {
    expect(distance([1, -1, 0])).toBeGreaterThan(15);
    expect(distance([1, 1, 0])).toBeLessThan(3);
  });

  test('a missing channel hides nothing of the others, and adds nothing', () => {
    expect(distance([1, 0, 5], [1, 0, 1])).toBeGreaterThan(20);
    expect(distance([0, 0, 0], [0, 0, 0])).toBe(0);
  });
});

describe('levels', () => {
  const fit = (at: (row: number) => number) =>
    createLevel(fitLevel(at, 1, [{ key: 'a', from: 0, to: 1600 }], 200));
  const shiftAfter = (level: ReturnType<typeof fit>, values: number[]): number => {
    const cells = new Float64Array(level.size);
    level.begin(cells, 'a');
    const shift = new Float32Array(1);
    for (const value of values) level.step(cells, [value], 0, shift, 0);
    return shift[0]!;
  };

  test('a channel that wandered in history is followed beyond its range; one that stood still is not', () => {
    const normal = seededNormal(3);
    const drift = Array.from({ length: 150 }, () => 2.5);
    expect(
      shiftAfter(
        fit((row) => Math.sin(row / 250) + 0.1 * normal()),
        drift,
      ),
    ).toBeGreaterThan(0.3);
    expect(
      shiftAfter(
        fit(() => normal()),
        drift,
      ),
    ).toBeCloseTo(0, 2);
  });

  test('values outside of all that history has shown are a new normal after as many records as configured', () => {
    const normal = seededNormal(4);
    const level = fit(() => normal());
    const far = (records: number): number[] => Array.from({ length: records }, () => 12);
    expect(shiftAfter(level, far(190))).toBeCloseTo(0, 1);
    expect(shiftAfter(level, far(220))).toBeCloseTo(12, 0);
  });

  test('one that reports in each tenth record has its new normal after as many records, not values', () => {
    const normal = seededNormal(9);
    const rarely = (value: () => number) => (i: number) => (i % 10 === 0 ? value() : NaN);
    const level = fit(rarely(normal));
    const far = (records: number): number[] => Array.from({ length: records }, (_, i) => rarely(() => 12)(i));
    expect(shiftAfter(level, far(170))).toBeLessThan(0.5);
    expect(shiftAfter(level, far(220))).toBeCloseTo(12, 0);
  });

  test('a shift by four standard deviations is a new normal, and a slow swing that goes further than before is none', () => {
    const normal = seededNormal(10);
    const steady = fit(() => normal());
    const shifted = Array.from({ length: 260 }, () => 4 + normal());
    expect(Math.abs(shiftAfter(steady, shifted) - 4)).toBeLessThan(0.5);
    const swinging = fit((row) => Math.sin(row / 120) + 0.1 * normal());
    const further = Array.from({ length: 260 }, () => 1.3 + 0.1 * normal());
    expect(Math.abs(shiftAfter(swinging, further))).toBeLessThan(0.5);
  });

  test('a channel whose swings are as slow as its level has a new normal, after which they are not followed', () => {
    const normal = seededNormal(11);
    const swing = (i: number): number => Math.sin(i / 30) + 0.1 * normal();
    const device = follow(fit(swing));
    device.feed(swing, 400);
    device.feed((i) => 16 + swing(i), 260);
    const offsets = Array.from({ length: 4 }, (_, part) => device.feed((i) => 16 + swing(47 * part + i), 47));
    for (const offset of offsets) expect(Math.abs(offset - 16)).toBeLessThan(0.6);
    expect(Math.max(...offsets) - Math.min(...offsets)).toBeLessThan(0.1);
  });

  /** Records of one channel at times 0, 1, …; returns what is taken off the next record. */
  function follow(level: ReturnType<typeof fit>) {
    const cells = new Float64Array(level.size);
    level.begin(cells, 'a');
    const shift = new Float32Array(1);
    let time = 0;
    return {
      cells,
      feed(value: (i: number) => number, records: number): number {
        for (let i = 0; i < records; i++) level.step(cells, [value(i)], time++, shift, 0);
        level.step(cells.slice(), [0], time, shift, 0);
        return shift[0]!;
      },
      undo: (since: number) => level.undo(cells, since),
      get time() {
        return time;
      },
    };
  }

  test('a new normal that is undone leaves the level as it was, and earlier ones as they are', () => {
    const normal = seededNormal(6);
    // It wandered in history, so that its level follows, too.
    const level = fit((row) => Math.sin(row / 250) + 0.1 * normal());
    const device = follow(level);
    const wandered = device.feed(() => 2, 150);
    expect(wandered).toBeGreaterThan(0.2);
    const first = device.time;
    expect(device.feed((i) => 12 + 0.1 * Math.sin(i), 220)).toBeGreaterThan(9);
    const before = device.feed((i) => 12 + 0.1 * Math.sin(i), 300);
    const second = device.time;
    expect(device.feed((i) => 40 + 0.1 * Math.sin(i), 220)).toBeGreaterThan(36);
    level.undo(device.cells, second);
    expect(device.feed(() => 12, 0)).toBeCloseTo(before, 1);
    // It is undone once.
    level.undo(device.cells, first);
    expect(device.feed(() => 12, 0)).toBeCloseTo(before, 1);
  });

  test('is undone to where the level stood before the event, not where the event has led it', () => {
    const normal = seededNormal(7);
    const level = fit((row) => Math.sin(row / 250) + 0.1 * normal());
    const device = follow(level);
    const before = device.feed(() => 2, 150);
    const since = device.time;
    device.feed(() => 12, 260);
    level.undo(device.cells, since);
    expect(device.feed(() => 2, 0)).toBeCloseTo(before, 1);
  });

  test('a new normal is accepted at once where a channel was outside for most of an event, and there alone', () => {
    const normal = seededNormal(8);
    const level = fit(() => normal());
    const [steady, odd] = [follow(level), follow(level)];
    steady.feed(() => 12, 20);
    level.accept(steady.cells, 20, steady.time);
    expect(steady.feed(() => 12, 0)).toBeCloseTo(12, 0);
    odd.feed((i) => (i % 4 === 0 ? 12 : 0), 20);
    level.accept(odd.cells, 20, odd.time);
    expect(odd.feed(() => 12, 0)).toBeCloseTo(0, 1);
    level.undo(steady.cells, 0);
    expect(steady.feed(() => 12, 0)).toBeCloseTo(0, 1);
  });

  test('one that is on its way begins anew when a label says that it is none', () => {
    const normal = seededNormal(12);
    const device = follow(fit(() => normal()));
    expect(device.feed(() => 12, 150)).toBeLessThan(0.5);
    device.undo(0);
    expect(device.feed(() => 12, 150)).toBeLessThan(0.5);
    expect(device.feed(() => 12, 70)).toBeCloseTo(12, 0);
  });
});

test('the threshold of a device rises with its median, within a bound, and only after half of the records', () => {
  const normal = seededNormal(5);
  const block = Float64Array.from({ length: 1000 }, normal);
  const baseline = createBaseline(fitBaseline(block, 640));
  const cells = new Float64Array(baseline.size);
  baseline.begin(cells, '');
  const rises = Array.from({ length: 700 }, () => baseline.observe(cells, 50));
  expect(Math.max(...rises.slice(0, 250))).toBeLessThan(1);
  expect(rises.at(-1)).toBeCloseTo(2, 0);
});

describe('runs', () => {
  const normal = seededNormal(6);
  const fine = Float64Array.from({ length: 4000 }, () => 20 + normal());
  const runs = createRunLengths(fitRuns(fine, 1, [{ key: 'a', from: 0, to: 4000 }]));
  const largest = (values: number[]): number => {
    const cells = new Float64Array(runs.size);
    runs.begin(cells, '');
    return Math.max(...values.map((value) => runs.step(cells, Float64Array.of(value), 0)));
  };

  test('a frozen value of a fine channel is found', () => {
    expect(largest(Array.from({ length: 15 }, () => 20.123456))).toBeGreaterThan(4);
  });

  test('a history with many digits and records with one are no fault', () => {
    expect(largest(Array.from({ length: 500 }, () => Math.round(10 * (20 + normal())) / 10))).toBe(0);
  });
});

test('a device that lies above the others in calibration begins as far above', () => {
  const normal = seededNormal(9);
  const own = Float64Array.from({ length: 300 }, () => 1 + normal());
  const others = Float64Array.from({ length: 3000 }, normal);
  const all = Float64Array.from([...own, ...others]);
  const state = fitBaseline(
    all,
    640,
    new Map([
      ['odd', own],
      ['usual', others],
      ['new', all.subarray(0, 10)],
    ]),
  );
  const baseline = createBaseline(state);
  const riseOf = (key: string): number => {
    const cells = new Float64Array(baseline.size);
    baseline.begin(cells, key);
    return baseline.observe(cells, 0);
  };
  expect(riseOf('odd')).toBeGreaterThan(0.7);
  expect(riseOf('odd')).toBeLessThan(1.3);
  expect(Math.max(riseOf('usual'), riseOf('new'), riseOf('unheard of'))).toBeLessThan(0.1);
  expect(Array.from(all.subarray(0, 300))).toEqual(Array.from(own));
});

test('the baseline of a device goes back to a mark', () => {
  const normal = seededNormal(9);
  const baseline = createBaseline(fitBaseline(Float64Array.from({ length: 1000 }, normal), 640));
  const cells = new Float64Array(baseline.size);
  baseline.begin(cells, '');
  for (let i = 0; i < 300; i++) baseline.observe(cells, normal() + 1);
  const mark = baseline.mark(cells);
  const before = baseline.observe(cells.slice(), 0);
  for (let i = 0; i < 700; i++) baseline.observe(cells, 50);
  expect(baseline.observe(cells.slice(), 0)).toBeGreaterThan(before + 1);
  baseline.goBack(cells, mark);
  expect(baseline.observe(cells.slice(), 0)).toBe(before);
  // That of another version, or none, has no effect.
  baseline.goBack(cells, []);
  expect(baseline.observe(cells.slice(), 0)).toBe(before);
});
