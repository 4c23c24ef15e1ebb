import { tf } from '../../src/tensor';

test('tfjs-node can assign its own tensor methods', () => {
  const methods = tf.Tensor.prototype as unknown as Record<string, unknown>;
  const operations = Object.getOwnPropertyNames(methods).filter(
    (name) => typeof Reflect.get(tf, name) === 'function',
  );
  expect(operations).toEqual(expect.arrayContaining(['add', 'abs', 'relu', 'sum']));
  const assigned = (): void => undefined;
  for (const name of operations) {
    methods[name] = assigned;
    expect(methods[name]).toBe(assigned);
  }
});
