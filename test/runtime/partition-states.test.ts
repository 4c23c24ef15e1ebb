import { closeEvents } from '../../src/runtime/partition-states';
import type { DetectionBatch, Sink } from '../../src/sinks/sink';
import { createEvent } from '../sinks/events';

function create(events: ReturnType<typeof createEvent>[]) {
  const written: DetectionBatch[] = [];
  const open: number[] = [];
  const ended: string[] = [];
  const sink: Sink = {
    name: 'log',
    write: (batch) => Promise.resolve(void written.push(batch)),
    close: () => Promise.resolve(),
  };
  const close = () =>
    closeEvents({ closeEvents: () => events }, [sink, sink], {
      eventsHeldBack: () => undefined,
      eventsOpen: (count) => void open.push(count),
      openEvents: { from: () => undefined, ended: (over) => void ended.push(...over.map(({ id }) => id)) },
    });
  return { close, written, open, ended };
}

test('the open events of a file are reported to each sink, and none is open after that', async () => {
  const events = [createEvent({ status: 'closed', closedBy: 'end' })];
  const { close, written, open, ended } = create(events);
  await close();
  expect(written).toEqual([
    { detections: [], events, deadLetters: [] },
    { detections: [], events, deadLetters: [] },
  ]);
  expect(open).toEqual([0]);
  expect(ended).toEqual([events[0]!.id]);
});

test('nothing is written without open events', async () => {
  const { close, written, open } = create([]);
  await close();
  expect(written).toEqual([]);
  expect(open).toEqual([0]);
});
