/** The band of usual values of a device. */
import { RunningBand } from '../../src/domain/band';
import { createRandom } from '../../src/tensor';

test('half a band is three root mean squares of the errors, from the twentieth on', () => {
  const band = new RunningBand(2);
  for (let i = 0; i < 19; i++) band.add(0, i % 2 === 0 ? 1 : -3);
  expect(band.halfWidth(0)).toBeNaN();
  band.add(0, NaN);
  expect(band.halfWidth(0)).toBeNaN();
  band.add(0, -3);
  expect(band.halfWidth(0)).toBeCloseTo(3 * Math.sqrt(5), 10);
  expect(band.halfWidth(1)).toBeNaN();
});

test('it follows errors that become larger', () => {
  const random = createRandom(1);
  const band = new RunningBand(1);
  for (let i = 0; i < 5_000; i++) band.add(0, random.normal());
  expect(Math.abs(band.halfWidth(0) - 3)).toBeLessThan(0.3);
  for (let i = 0; i < 10_000; i++) band.add(0, 10 * random.normal());
  expect(Math.abs(band.halfWidth(0) - 30)).toBeLessThan(3);
});
