import { createOddness } from '../../src/scoring/oddness';

const side = 56;

/** Cells of a pixel each, odd around some places: as much as given there, and less by 1 with each pixel further away. */
function conesAt(...places: [x: number, y: number, peak: number][]) {
  const cells = Float64Array.from({ length: side * side }, (_, i) =>
    Math.max(0, ...places.map(([x, y, peak]) => peak - Math.hypot((i % side) - x, Math.floor(i / side) - y))),
  );
  return { across: side, down: side, cells };
}

test.each([
  ['in the middle', [20, 30, 10], { x: 15, y: 25, width: 11, height: 11 }],
  ['at the border', [0, 55, 10], { x: 0, y: 50, width: 6, height: 6 }],
] as const)('the box of an odd place %s ends where it is half as odd', (_, place, box) => {
  const oddness = createOddness({ width: side, height: side, colour: 'grey' }, undefined);
  expect(oddness.regions(conesAt([...place]))).toEqual([{ box, surprise: 0 }]);
});

test('the oddest of two places comes first', () => {
  const oddness = createOddness({ width: side, height: side, colour: 'grey' }, undefined);
  const [first] = oddness.regions(conesAt([10, 10, 6], [40, 40, 8]));
  expect(first!.box).toEqual({ x: 36, y: 36, width: 9, height: 9 });
});
