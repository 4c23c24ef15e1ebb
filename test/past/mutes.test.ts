import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnomalyEvent } from '../../src/domain/event';
import { openMutes } from '../../src/past/mutes';

const directory = mkdtempSync(join(tmpdir(), 'vaemon-mutes-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let detectors = 0;
const logged: string[] = [];

async function start(detector = `pump${++detectors}`) {
  const known = new Map<string, AnomalyEvent>();
  const clock = { now: 1000 };
  const mutes = await openMutes({
    directory,
    detector,
    now: () => clock.now,
    reported: (id) => known.get(id),
    log: { error: (message) => logged.push(message) },
  });
  const mark = (event: AnomalyEvent): boolean => {
    const [marked] = mutes.mark([event]);
    known.set(event.id, marked!);
    return marked!.muted === true;
  };
  return { mutes, mark, clock, detector };
}

const event = (id: string, status: AnomalyEvent['status'], key = 'a'): AnomalyEvent =>
  ({ id, status, key, kind: 'anomaly', limits: [], contributions: [] }) as unknown as AnomalyEvent;
const mute = { key: 'a', channel: '', from: 0, until: 5000, note: 'cleaning' };

test('an event is muted or not for its whole life, as of when it opened', async () => {
  const { mutes, mark, clock } = await start();
  expect(mark(event('1', 'open'))).toBe(false);
  await mutes.add(mute);
  expect(mark(event('1', 'closed'))).toBe(false);
  expect(mark(event('2', 'open'))).toBe(true);
  expect(mark(event('3', 'open', 'b'))).toBe(false);
  expect(mark(event('4', 'held_back'))).toBe(true);
  clock.now = 6000;
  expect(mark(event('2', 'closed'))).toBe(true);
  expect(mark(event('5', 'open'))).toBe(false);
});

test('mutes survive a restart, and reach other processes', async () => {
  const first = await start();
  const { id } = await first.mutes.add(mute);
  const second = await start(first.detector);
  expect(second.mutes.list()).toEqual([{ id, ...mute }]);
  const another = await second.mutes.add({ ...mute, key: 'b' });
  await first.mutes.refresh();
  expect(first.mark(event('1', 'open', 'b'))).toBe(true);
  expect(await first.mutes.remove(another.id)).toBe(true);
  expect(await first.mutes.remove(another.id)).toBe(false);
  await second.mutes.refresh();
  expect(second.mutes.list()).toHaveLength(1);
});

test('two processes that add at the same time lose none, and each removes what the other has added', async () => {
  const first = await start();
  const second = await start(first.detector);
  const added = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? first : second).mutes.add({ ...mute, key: String(i) }),
    ),
  );
  await Promise.all([first.mutes.refresh(), second.mutes.refresh()]);
  expect(first.mutes.list()).toHaveLength(20);
  expect(second.mutes.list()).toEqual(first.mutes.list());
  // In the order in which a process has added them.
  const even = first.mutes.list().filter(({ key }) => Number(key) % 2 === 0);
  expect(even.map(({ key }) => Number(key))).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
  await Promise.all(added.map(({ id }, i) => (i % 2 === 0 ? second : first).mutes.remove(id)));
  expect((await start(first.detector)).mutes.list()).toEqual([]);
});

test('a damaged file leaves those in force that were read, and the others', async () => {
  const { mutes, mark, detector } = await start();
  const { id } = await mutes.add(mute);
  const folder = join(directory, detector, 'mutes');
  writeFileSync(join(folder, `${id}.json`), '[{');
  writeFileSync(join(folder, `${id.replaceAll(/[0-9a-f]/g, '0')}.json`), '{');
  await mutes.refresh();
  await mutes.refresh();
  expect(logged).toHaveLength(1);
  expect(mark(event('1', 'open'))).toBe(true);
});

test('those that ended a day ago are dropped with the next one', async () => {
  const { mutes, clock } = await start();
  await mutes.add(mute);
  clock.now = 5000 + 86_400_001;
  await mutes.add({ ...mute, until: clock.now + 1 });
  expect(mutes.list()).toHaveLength(1);
});

test('a mute whose windows cannot be computed is left out and logged, and fails no event', async () => {
  const { mutes, mark, detector } = await start();
  await mutes.add({ ...mute, until: null, recurring: { cron: '0 2 * * 0', forMs: 1, timeZone: 'UTC' } });
  const name = '01a22a07-93f6-7473-881b-a277b9c40e96';
  const wrong = { ...mute, recurring: { cron: '0 2 * * 0', forMs: 1, timeZone: 'Mars/Base' } };
  writeFileSync(join(directory, detector, 'mutes', `${name}.json`), JSON.stringify(wrong));
  await mutes.refresh();
  expect(mutes.list()).toHaveLength(1);
  expect(logged.at(-1)).toContain('mutes are unreadable');
  expect(mark(event('1', 'open'))).toBe(false);
});
