import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDevices } from '../../src/past/devices';
import { minuteMs } from '../../src/past/score-minutes';

const directory = mkdtempSync(join(tmpdir(), 'vaemon-devices-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const clock = { now: 10 * minuteMs };
let detectors = 0;

function create(detector = `pump${++detectors}`) {
  return {
    detector,
    ...createDevices({
      directory,
      detector,
      settings: { events: 1, records: 3, scoresMs: 2 * minuteMs, devices: 2, saveIntervalMs: 0 },
      minutes: 2,
      onBad: (err) => {
        throw err;
      },
      now: () => clock.now,
    }),
  };
}

/** A record of a device in a minute; whether there was room for it. */
function hear(
  { hear: of }: ReturnType<typeof create>,
  key: string,
  minute: number,
  width = 1,
  partition = 0,
) {
  const device = of(key, partition, width);
  const score = {
    timestamp: minute * minuteMs,
    surprise: 1,
    threshold: 3,
    aboveBaseline: 1,
    anomalous: false,
  };
  device?.minutes.add(score, () => -Infinity);
  return device !== undefined;
}

test('a new device takes the room of those whose scores are too old, which are looked for once a minute', () => {
  const devices = create();
  expect([hear(devices, 'a', 7), hear(devices, 'b', 8), hear(devices, 'c', 9)]).toEqual([true, true, false]);
  hear(devices, 'b', 9);
  expect(hear(devices, 'c', 9)).toBe(false);
  clock.now += minuteMs;
  expect([hear(devices, 'c', 9), devices.get('a'), devices.newest()]).toEqual([true, undefined, 9]);
});

test('a device whose channels change has no earlier records, but its scores', () => {
  const devices = create();
  hear(devices, 'a', 1);
  const [before] = [devices.get('a')!.recent];
  hear(devices, 'a', 1, 2);
  expect([devices.get('a')!.recent === before, devices.get('a')!.recent.channels]).toEqual([false, 2]);
  expect(devices.get('a')!.minutes.list()).toMatchObject([{ records: 2 }]);
});

test('of scores of several processes the newest of each device count', async () => {
  const one = create();
  const other = create(one.detector);
  hear(one, 'a', 5);
  hear(other, 'a', 6, 1, 1);
  hear(other, 'b', 6, 1, 1);
  await other.save(true);
  expect([...one.allScores().keys()]).toEqual(['a']);
  await one.readOthers();
  expect(
    [...one.allScores()].map(([key, { partition, minutes }]) => [key, partition, minutes.newest]),
  ).toEqual([
    ['a', 1, 6],
    ['b', 1, 6],
  ]);
  const later = create(one.detector);
  await later.restore();
  expect([...later.allScores().keys()]).toEqual(['a', 'b']);
});
