import { exampleOf, Refusals } from '../../src/pipeline/refusals';

test('rejected records are described by reason, the most frequent first, with the first example and the setting', () => {
  const refusals = new Refusals();
  refusals.add('damaged_record', 'first');
  refusals.add('missing_key', 'no key in "host.name"');
  refusals.add('missing_key', 'another');
  refusals.add('out_of_order', 'never', 0);
  expect(refusals.total).toBe(3);
  expect(refusals.counts()).toEqual({ missing_key: 2, damaged_record: 1 });
  expect(refusals.describe()).toEqual([
    '2 missing_key (no key in "host.name"; see fields.key)',
    '1 damaged_record (first)',
  ]);
  refusals.clear();
  expect([refusals.total, refusals.describe()]).toEqual([0, []]);
});

test('a long example is cut', () => {
  const refusals = new Refusals();
  refusals.add('damaged_record', 'x'.repeat(1000));
  expect(refusals.describe()[0]!.length).toBeLessThan(250);
});

test('an example names the record, and an image its file, so that a person finds it', () => {
  const origin = { topic: 'parts', partition: 0, offset: '7' };
  expect(exampleOf('cut off', { ...origin, file: 'left/0007.png' })).toBe('left/0007.png: cut off');
  expect(exampleOf('cut off', origin)).toBe('parts:0:7: cut off');
});
