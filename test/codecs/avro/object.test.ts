/** Whole Avro records as objects, against another implementation. */
import { Type } from 'avsc';
import { createAvroObjectReader } from '../../../src/codecs/avro/object';

const schema = {
  type: 'record',
  name: 'Reading',
  fields: [
    {
      name: 'device',
      type: {
        type: 'record',
        name: 'Device',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'line', type: 'int' },
        ],
      },
    },
    { name: 'mode', type: { type: 'enum', name: 'Mode', symbols: ['eco', 'boost'] } },
    { name: 'values', type: { type: 'map', values: ['null', 'double'] } },
    { name: 'vector', type: { type: 'array', items: 'float' } },
    { name: 'on', type: 'boolean' },
    { name: 'parent', type: ['null', 'Device'] },
  ],
};
const read = createAvroObjectReader({ type: 'AVRO', text: JSON.stringify(schema), references: [] });
const record = {
  device: { id: 'P-1', line: -7 },
  mode: 'boost',
  values: { flow: 1.5, pressure: null },
  vector: [0.5, -2],
  on: true,
  parent: { id: 'P-0', line: 3 },
};
const bytes = Type.forSchema(schema as never, { wrapUnions: false }).toBuffer(record);

test('a record is read as an object, from a position on', () => {
  expect(read(bytes, 0)).toEqual(record);
  expect(read(Buffer.concat([Buffer.alloc(5), bytes]), 5)).toEqual(record);
});

test('a record that is cut off is an error', () => {
  for (let length = 0; length < bytes.length; length++)
    expect(() => read(bytes.subarray(0, length), 0)).toThrow('do not match their Avro schema');
});
