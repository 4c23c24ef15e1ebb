import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClaimFiles } from '../../../src/sinks/notification/claim-files';
import { addTogether } from '../../../src/sinks/notification/claims';
import { createEvent } from '../events';

let folder: string;
beforeEach(() => (folder = join(mkdtempSync(join(tmpdir(), 'vaemon-claim-files-')), 'notified')));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const claim = (process: string) => ({ process, as: 'a', events: ['a', 'b'] });

test('one process creates the file with a number, and all read it, in the order of the numbers', async () => {
  const [one, other] = [createClaimFiles(folder), createClaimFiles(folder)];
  expect(await one.read()).toEqual([]);
  expect([await one.add(10, claim('one')), await other.add(10, claim('other'))]).toEqual([true, false]);
  await other.add(9, claim('other'));
  expect(await one.read()).toEqual([
    [9, claim('other')],
    [10, claim('one')],
  ]);
  await one.remove(9);
  await one.remove(9);
  expect((await other.read()).map(([number]) => number)).toEqual([10]);
});

test('a damaged file claims nothing; other files are left alone', async () => {
  const files = createClaimFiles(folder);
  await files.read();
  writeFileSync(join(folder, '3.json'), '{');
  writeFileSync(join(folder, 'notes.txt'), '');
  expect(await files.read()).toEqual([[3, { process: '', as: '', events: [] }]]);
  expect(readdirSync(folder)).toContain('notes.txt');
});

test('events that began before each other opened belong together, by way of others too, as do inherited ones', () => {
  const event = (id: string, start: number, openedAt: number) => createEvent({ id, start, openedAt });
  const events = [event('a', 0, 10)];
  const free = [event('c', 15, 30), event('b', 8, 20), event('d', 31, 40), event('e', 90, 99)];
  addTogether(events, free, new Set(['e']));
  expect(events.map(({ id }) => id)).toEqual(['a', 'b', 'e', 'c']);
});
