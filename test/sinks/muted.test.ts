import type { AnomalyEvent } from '../../src/domain/event';
import { withoutMuted } from '../../src/sinks/muted';
import type { DetectionBatch, Sink } from '../../src/sinks/sink';

const event = (id: string, muted?: boolean): AnomalyEvent =>
  ({ id, ...(muted !== undefined && { muted }) }) as AnomalyEvent;

async function written(sink: Partial<Sink>): Promise<string[]> {
  const batches: DetectionBatch[] = [];
  const whole: Sink = {
    name: 'x',
    write: (batch) => Promise.resolve(void batches.push(batch)),
    close: () => Promise.resolve(),
    ...sink,
  };
  const events = [event('a'), event('b', true), event('c')];
  await withoutMuted(whole).write({ detections: [], events, deadLetters: [] });
  return batches.flatMap((batch) => batch.events.map(({ id }) => id));
}

test('sinks for people do not get muted events, all others do', async () => {
  expect(await written({ forPeople: true })).toEqual(['a', 'c']);
  expect(await written({ notifies: true })).toEqual(['a', 'c']);
  expect(await written({})).toEqual(['a', 'b', 'c']);
});
