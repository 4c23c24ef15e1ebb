import { errorChain, firstLineOf, messageOf, toError } from '../../src/system/error-text';

const broken = new Error('cannot connect', { cause: new Error('refused\nat port 9092') });

test('the message of an error, or the thrown value as text', () => {
  expect(messageOf(broken)).toBe('cannot connect');
  expect(messageOf('plain')).toBe('plain');
  expect(messageOf(undefined)).toBe('undefined');
  expect(firstLineOf(broken.cause)).toBe('refused');
});

test('a chain names every cause, also those of several errors', () => {
  expect(errorChain(broken)).toBe('cannot connect ← refused\nat port 9092');
  const both = new AggregateError([new Error('one'), new TypeError('')], 'two sinks failed');
  expect(errorChain(both)).toBe('two sinks failed ← one; TypeError');
});

test('a thrown value becomes an error; an error stays itself', () => {
  expect(toError(broken)).toBe(broken);
  expect(toError(7)).toEqual(new Error('7'));
});
