import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnomalyEvent } from '../../../src/domain/anomaly-event';
import { createClaims } from '../../../src/sinks/notification/claims';
import { createRecordedLog } from '../../runtime/recorded-log';
import { createEvent } from '../events';

let folder: string;
/** Events that every process can see. */
const seen = new Map<string, AnomalyEvent>();
const alive = new Set<string>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vaemon-claims-'));
  seen.clear();
  alive.clear();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A life of a process. */
function start(
  name: string,
  {
    sink = 'webhook',
    passes = () => true,
    at = folder,
  }: { sink?: string; passes?: (event: AnomalyEvent) => boolean; at?: string } = {},
) {
  alive.add(name);
  const log = createRecordedLog();
  const claims = createClaims({
    sink,
    fleet: {
      folder: at,
      name,
      isAlive: (other) => alive.has(other),
      refresh: () => Promise.resolve(),
      share: () => Promise.resolve(),
      silences: () => [...seen.values()],
      reported: (id) => seen.get(id),
    },
    passes,
    log,
  });
  return { ...claims, log };
}

const silent = (key: string, start: number): AnomalyEvent => {
  const event = createEvent({
    id: key,
    kind: 'silent',
    key,
    keys: [key],
    start,
    end: start,
    openedAt: start + 60_000,
  });
  seen.set(key, event);
  return event;
};
const idsOf = (claim: { events: readonly AnomalyEvent[] } | undefined) => claim?.events.map(({ id }) => id);
const files = () => readdirSync(join(folder, 'notified', 'webhook')).sort();

test('of twenty processes that claim a gateway at once, each with its part, one tells of all', async () => {
  const events = Array.from({ length: 20 }, (_, i) => silent(`p${i}`, i * 100));
  const results = await Promise.all(events.map((event, i) => start(`process-${i}`).claim([event])));
  const told = results.filter((claim) => claim !== undefined);
  expect(told).toHaveLength(1);
  expect(idsOf(told[0])!.sort()).toEqual(events.map(({ id }) => id).sort());
  expect(files()).toEqual(['1.json']);
});

test('an event that the claim of another process lacks is in another one', async () => {
  const [first, second] = [start('first'), start('second')];
  const [a, b] = [silent('a', 0), silent('b', 10)];
  expect(idsOf(await first.claim([a]))).toEqual(['a', 'b']);
  const late = silent('late', 20);
  expect(idsOf(await second.claim([b, late]))).toEqual(['late']);
  expect(await second.claim([b, late])).toBeUndefined();
});

test('events of another time, held back by a filter, or claimed for another sink are not in it', async () => {
  const passes = ({ key }: AnomalyEvent) => key !== 'filtered';
  const [first, grafana] = [start('first', { passes }), start('second', { sink: 'grafana' })];
  const [a, later] = [silent('a', 0), silent('later', 500_000)];
  silent('filtered', 0);
  expect(idsOf(await first.claim([a]))).toEqual(['a']);
  expect(idsOf(await grafana.claim([later]))).toEqual(['later']);
  expect(idsOf(await grafana.claim([a]))).toEqual(['a', 'filtered']);
});

test('a message of a process that was killed is told again by one other, under its id and with all of its events', async () => {
  const [first, second, third] = [start('first'), start('second'), start('third')];
  const [a, b, c] = [silent('a', 50), silent('b', 0), silent('c', 10)];
  expect(await first.claim([a, b])).toMatchObject({ as: undefined });
  seen.set('b', { ...b, status: 'closed' });
  alive.delete('first');
  const claims = await Promise.all([second.claim([a]), third.claim([c])]);
  const told = claims.filter((claim) => claim !== undefined);
  expect(told).toHaveLength(1);
  expect(told[0]!.as).toBe('b');
  expect(idsOf(told[0])!.sort()).toEqual(['a', 'b', 'c']);
  // The claim of the one that is gone is not needed any more.
  expect(files()).toEqual(['2.json']);
});

test('a process that starts again under its name tells again of what is open', async () => {
  const a = silent('a', 0);
  await start('first').claim([a]);
  const again = start('first');
  expect(await again.claim([a])).toMatchObject({ number: 2, as: 'a' });
  expect(await again.claim([a])).toBeUndefined();
});

test('the end belongs to the process that has claimed the events last', async () => {
  const [first, second] = [start('first'), start('second')];
  const a = silent('a', 0);
  const claimed = (await first.claim([a]))!;
  // It was only slow.
  alive.delete('first');
  const taken = (await second.claim([a]))!;
  alive.add('first');
  expect(await first.release(claimed)).toBe(false);
  expect(await second.release(taken)).toBe(true);
});

test('files of what is over are removed, but not the newest, so that no number is used twice', async () => {
  const first = start('first');
  const claims = [];
  for (let i = 0; i < 3; i++) claims.push((await first.claim([silent(`k${i}`, i * 1e6)]))!);
  for (const claim of claims) expect(await first.release(claim)).toBe(true);
  expect(files()).toEqual(['3.json']);
  expect(await start('second').claim([silent('k4', 9e6)])).toMatchObject({ number: 4 });
  expect(await first.claim([silent('k5', 1e8)])).toMatchObject({ number: 5 });
  expect(files()).toEqual(['4.json', '5.json']);
});

test('a file that is damaged claims nothing', async () => {
  const first = start('first');
  const a = silent('a', 0);
  await first.claim([a]);
  writeFileSync(join(folder, 'notified', 'webhook', '2.json'), '{');
  expect(await start('second').claim([a])).toBeUndefined();
  expect(await start('second').claim([silent('b', 1e6)])).toMatchObject({ number: 3 });
});

test('where the store fails, each process sends a message, and says so once', async () => {
  const at = join(folder, 'file');
  writeFileSync(at, '');
  const [first, second] = [start('first', { at }), start('second', { at })];
  const [a, b] = [silent('a', 0), silent('b', 0)];
  expect(await first.claim([a])).toEqual({ number: undefined, as: undefined, events: [a] });
  expect(await first.claim([a])).toMatchObject({ events: [a] });
  expect(await second.claim([b])).toMatchObject({ events: [b] });
  expect(first.log.entries).toMatchObject([
    { level: 'warn', message: expect.stringContaining('each process sends its own message') },
  ]);
  expect(await first.release({ number: undefined, as: undefined, events: [a] })).toBe(true);
});
