import type { Label } from '../../src/domain/label';
import type { Message } from '../../src/sources/source';
import { createPartition, createProcess } from './harness';

test('a label that undoes a new normal brings back the baseline of its device, in the next record', async () => {
  const values = [...Array<number>(10).fill(0.1), ...Array<number>(9).fill(3), 3, 3, 3, 3];
  const messages = values.map((value, i): Message => ({
    key: null,
    value: Buffer.from(JSON.stringify({ key: 'a', time: i, values: [value], conditions: { mode: 'm' } })),
    timestamp: 0,
    origin: { topic: 't', partition: 0, offset: String(i) },
    warmUp: false,
  }));
  const known: Label[] = [];
  const process = createProcess({ labels: () => known });
  const deliverNext = await createPartition(messages).assign(process);
  await deliverNext(19);
  expect(process.events.map(({ status, closedBy }) => closedBy ?? status)).toEqual(['open', 'accepted']);
  const [open] = process.events;
  const riseOf = (i: number): number =>
    process.detections.find(({ timestamp }) => timestamp === i)!.baseline!.rise;
  known.push({ key: 'a', from: open!.start, to: open!.start, label: 'anomaly' });
  await deliverNext(1);
  // What it was when the event began; the record after it has learned from one record more.
  expect(riseOf(19)).toBe(riseOf(open!.openedAt + 1));
  expect(riseOf(18)).toBeGreaterThan(riseOf(19));
  await deliverNext(2);
  expect(process.events.slice(2).map(({ status }) => status)).toEqual(['open']);
  expect(process.labelled).toMatchObject([{ event: open!.id, label: 'anomaly' }]);
});
