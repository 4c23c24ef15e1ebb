import { createConditionTerms } from '../../src/domain/condition-terms';

const slots = [
  { kind: 'category', at: 0, size: 2 },
  { kind: 'hour-of-day', at: 2, size: 2 },
  { kind: 'number', at: 4, size: 1 },
] as const;

test('the newest condition, the means of what may change, and each category with the others', () => {
  const terms = createConditionTerms(slots, 5);
  const out = new Float32Array(1 + terms.size);
  terms.write([9, 0, 1, 0.5, -0.5, 3, 0.25, 0.75, 0.4, -0.4, 2], 1, out, 1);
  expect(Array.from(out.subarray(1, 6))).toEqual([0, 1, 0.5, -0.5, 3]);
  expect(Array.from(out.subarray(6, 9))).toEqual([0.25, 0.75, 2]);
  expect(Array.from(out.subarray(9), (value) => value + 0)).toEqual([0, 0, 0, 0.5, -0.5, 3]);
});

test('without conditions there are no terms, and of many categories there are no products', () => {
  expect(createConditionTerms([], 0).size).toBe(0);
  const many = [
    { kind: 'category', at: 0, size: 40 },
    { kind: 'hour-of-day', at: 40, size: 2 },
  ] as const;
  expect(createConditionTerms(many, 42).size).toBe(42 + 40);
});
