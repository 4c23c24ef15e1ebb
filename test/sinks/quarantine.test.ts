import { createQuarantineSink } from '../../src/sinks/quarantine';
import { createEvent } from './events';

test('events that are over are booked with key, start and end, those held back, too', async () => {
  const booked: unknown[] = [];
  const sink = createQuarantineSink({ add: (...stretch) => void booked.push(stretch) });
  await sink.write({
    detections: [],
    events: [
      createEvent(),
      createEvent({ status: 'closed', key: 'a', start: 1, end: 5 }),
      createEvent({ status: 'closed', kind: 'silent', key: 'c', start: 1, end: 9 }),
      createEvent({ status: 'held_back', key: 'b', start: 2, end: 2 }),
    ],
    deadLetters: [],
  });
  expect(booked).toEqual([
    ['a', 1, 5],
    ['b', 2, 2],
  ]);
  await sink.close();
});
