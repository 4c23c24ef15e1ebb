import { createRecordBatch, givenConditions, type RecordSchema } from '../../src/domain/record';

const schema: RecordSchema = {
  channels: ['flow', 'pressure', 'power'],
  missingChannels: 'reject',
  extraChannels: 'reject',
  conditions: [
    { name: 'hour', kind: 'hour-of-day', timeZone: 'UTC' },
    { name: 'mode', kind: 'category', maxValues: 4, missing: 'reject' },
    { name: 'day', kind: 'day-of-week', timeZone: 'UTC' },
    { name: 'load', kind: 'number', missing: 'unknown' },
  ],
};

test('given conditions are those that a record carries, in the order of the schema', () => {
  expect(givenConditions(schema.conditions).map(({ name }) => name)).toEqual(['mode', 'load']);
});

test('a batch has room for every channel and every given condition of each record', () => {
  const batch = createRecordBatch(schema, 5);
  expect({ ...batch, keys: batch.keys.length }).toMatchObject({ capacity: 5, count: 0, keys: 5 });
  expect(batch.timestamps).toHaveLength(5);
  expect(batch.values).toHaveLength(5 * 3);
  expect(batch.conditions).toHaveLength(5 * 2);
});
