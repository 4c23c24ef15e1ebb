import { labelOf, type Label } from '../../src/domain/label';

const label = (from: number, to: number, key: string, name: Label['label']): Label => ({
  key,
  from,
  to,
  label: name,
});

test('an event has the last label whose stretch and device it has in part', () => {
  const event = { keys: ['a', 'b'], start: 100, end: 200 };
  expect(labelOf([], event)).toBeUndefined();
  expect(labelOf([label(0, 99, '', 'anomaly'), label(201, 300, 'a', 'anomaly')], event)).toBeUndefined();
  expect(labelOf([label(100, 200, 'c', 'anomaly')], event)).toBeUndefined();
  expect(labelOf([label(0, 100, 'b', 'anomaly')], event)).toBe('anomaly');
  expect(labelOf([label(200, 300, '', 'normal')], event)).toBe('normal');
  const both = [label(0, 999, '', 'anomaly'), label(150, 150, 'a', 'new normal')];
  expect(labelOf(both, event)).toBe('new normal');
  expect(labelOf(both.toReversed(), event)).toBe('anomaly');
});
