import { createOddness } from '../../src/scoring/oddness';

const side = 56;
/** An image whose cells have so many pixels on a side. */
const imageOf = (pitch: number) => ({ width: pitch * side, height: pitch * side, colour: 'grey' }) as const;

/** Cells that are odd around some places: as much as given there, and less by 1 with each cell further away. */
function conesAt(...places: [x: number, y: number, peak: number][]) {
  const cells = Float64Array.from({ length: side * side }, (_, i) =>
    Math.max(0, ...places.map(([x, y, peak]) => peak - Math.hypot((i % side) - x, Math.floor(i / side) - y))),
  );
  return { across: side, down: side, cells };
}

test.each([
  ['in the middle', [20, 30, 10], { x: 30, y: 50, width: 22, height: 22 }],
  ['at the border', [0, 55, 10], { x: 0, y: 100, width: 12, height: 12 }],
] as const)('the box of an odd place %s ends where it is half as odd', (_, place, box) => {
  expect(createOddness(imageOf(2), undefined).regions(conesAt([...place]))).toEqual([{ box, surprise: 0 }]);
});

test('in a small image it ends where it is three tenths as odd', () => {
  const [region] = createOddness(imageOf(1), undefined).regions(conesAt([20, 30, 10]));
  expect(region!.box).toEqual({ x: 13, y: 23, width: 15, height: 15 });
});

test('the oddest of two places comes first', () => {
  const [first] = createOddness(imageOf(2), undefined).regions(conesAt([10, 10, 6], [40, 40, 8]));
  expect(first!.box).toEqual({ x: 72, y: 72, width: 18, height: 18 });
});
