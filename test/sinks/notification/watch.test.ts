import type { AnomalyEvent } from '../../../src/domain/event';
import { createEventWatch } from '../../../src/sinks/notification/watch';
import { createEvent } from '../events';

function create(passes: (event: AnomalyEvent) => boolean = () => true) {
  const notified: string[] = [];
  let open: AnomalyEvent[] = [];
  const watch = createEventWatch({
    passes,
    openEvents: () => open,
    notify: ({ id, status }) => notified.push(`${id} ${status}`),
  });
  return { watch, notified, set: (events: AnomalyEvent[]) => (open = events) };
}
const opened = createEvent({ id: 'a' });
const closed = createEvent({ id: 'a', status: 'closed' });

test('an event is notified once when it opens and once when it closes, also if it was seen before it was written', async () => {
  const { watch, notified, set } = create();
  set([opened]);
  watch.poll();
  watch.write([opened]);
  watch.poll();
  watch.write([closed]);
  expect(notified).toEqual(['a open', 'a closed']);
  await watch.close();
});

test('an event that is open after a restart is notified, one that was held back is not', async () => {
  const { watch, notified, set } = create();
  set([opened]);
  watch.poll();
  watch.write([createEvent({ id: 'b', status: 'held_back' })]);
  expect(notified).toEqual(['a open']);
  await watch.close();
});

test('an event that becomes surprising enough later is notified then, and one only at its end has its end', async () => {
  const { watch, notified, set } = create(({ peakSurprise }) => peakSurprise >= 8);
  watch.write([opened, createEvent({ id: 'b' })]);
  expect(notified).toEqual([]);
  set([{ ...opened, peakSurprise: 9 }]);
  watch.poll();
  watch.write([createEvent({ id: 'b', status: 'closed', peakSurprise: 8 }), closed]);
  watch.write([createEvent({ id: 'c', status: 'closed' })]);
  // The end of an event that was notified is, too.
  expect(notified).toEqual(['a open', 'b closed', 'a closed']);
  await watch.close();
});
