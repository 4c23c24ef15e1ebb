import { createEnding, SessionEnd, toSessionEnd } from '../../../src/sources/kafka/session-end';

const named = (name: string, fields: object = {}) =>
  Object.assign(new Error('broker 3 is gone', fields), { name, ...fields });

test.each([
  ['KafkaJSNumberOfRetriesExceeded', {}, 'unreachable', 'Kafka is unreachable: broker 3 is gone'],
  ['KafkaJSProtocolError', { retriable: true }, 'unreachable', 'Kafka is unreachable: broker 3 is gone'],
  ['KafkaJSNotImplemented', {}, 'crashed', 'the Kafka consumer has crashed: broker 3 is gone'],
  [
    'KafkaJSNumberOfRetriesExceeded',
    { cause: named('KafkaJSOffsetOutOfRange') },
    'out_of_range',
    'the broker does not have the next offset',
  ],
])('%s %j ends the session as %s', (name, fields, reason, message) => {
  const cause = named(name, fields);
  expect(toSessionEnd(cause)).toMatchObject({ reason, message, cause });
});

test('an ending resolves with the stop of the source, or rejects with the first failure', async () => {
  const stop = new AbortController();
  const stopped = createEnding(stop.signal);
  const failed = createEnding(stop.signal);
  const first = new SessionEnd('stalled', 'first');
  failed.fail(first);
  failed.fail(new SessionEnd('crashed', 'second'));
  stop.abort();
  await expect(stopped.reached).resolves.toBeUndefined();
  await expect(failed.reached).rejects.toBe(first);
  await expect(createEnding(stop.signal).reached).resolves.toBeUndefined();
});

test('a released ending no longer listens to the signal', () => {
  const { signal } = new AbortController();
  const removed = jest.spyOn(signal, 'removeEventListener');
  const added = jest.spyOn(signal, 'addEventListener');
  createEnding(signal).release();
  expect(removed.mock.calls[0]!.slice(0, 2)).toEqual(added.mock.calls[0]!.slice(0, 2));
});
