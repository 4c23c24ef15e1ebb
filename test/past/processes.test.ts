import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcesses, type ProcessState } from '../../src/past/processes';

let directory: string;
const clock = { now: 1_000_000 };
const warnings: string[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-processes-'))));
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
  warnings.length = 0;
});

const state: ProcessState = {
  partitions: [],
  openEvents: 1,
  recordsPerSecond: 10,
  devices: 5,
  spentRatio: 0,
  version: 'v',
};

/** @param skew of the clock of its machine, ms */
function start(name: string, partitions: number[], skew = 0) {
  const own = { ...state, partitions: [...partitions] };
  const processes = createProcesses({
    directory,
    detector: 'pump',
    intervalMs: 1000,
    describe: () => own,
    log: { warn: (message) => void warnings.push(message) },
    name,
    now: () => clock.now + skew,
  });
  const names = (): string[] => processes.list().map((one) => `${one.name}${one.stale ? ' stale' : ''}`);
  return { ...processes, own, names };
}

test('each lists all, itself first, with what they wrote last', async () => {
  const [one, other] = [start('one', [0]), start('other', [1])];
  for (const process of [one, other, one]) await process.exchange();
  expect(one.names()).toEqual(['one', 'other']);
  expect(other.names()).toEqual(['other', 'one']);
  other.own.devices = 9;
  await other.exchange();
  await one.exchange();
  // Of the same millisecond: it may be what was read before.
  clock.now++;
  await other.exchange();
  await one.exchange();
  expect(one.list()[1]).toMatchObject({ name: 'other', devices: 9, partitions: [1] });
});

test.each([0, 3_600_000, -3_600_000])(
  'one that dies is stale since it wrote last, until another has its partitions (clocks differ by %i ms)',
  async (skew) => {
    const [one, other] = [start('one', [0]), start('other', [1, 2], skew)];
    await one.exchange();
    for (let i = 0; i < 3; i++) {
      clock.now += 1000;
      await other.exchange();
      await one.exchange();
    }
    expect(one.names()).toEqual(['one', 'other']);
    const diedAt = clock.now + skew;
    clock.now += 4000;
    await one.exchange();
    expect(one.names()).toEqual(['one', 'other']);
    clock.now += 1000;
    await one.exchange();
    expect(one.names()).toEqual(['one', 'other stale']);
    expect(one.list()[1]!.at).toBe(diedAt);
    one.own.partitions.splice(0, 1, 0, 1);
    expect(one.names()).toEqual(['one', 'other stale']);
    one.own.partitions.push(2);
    expect(one.names()).toEqual(['one']);
    // It comes back.
    await other.exchange();
    await one.exchange();
    expect(one.names()).toEqual(['one', 'other']);
  },
);

test('one that leaves is forgotten at once', async () => {
  const [one, other] = [start('one', [0]), start('other', [1])];
  await other.exchange();
  await one.exchange();
  await other.leave();
  await one.exchange();
  expect(one.names()).toEqual(['one']);
});

test('one that is gone for a day leaves no file', async () => {
  const [one, other] = [start('one', [0]), start('other', [1])];
  await other.exchange();
  await one.exchange();
  clock.now += 86_400_001;
  await one.exchange();
  await one.exchange();
  expect(one.names()).toEqual(['one']);
  expect(existsSync(join(directory, 'pump/past/processes/other.json'))).toBe(false);
});

test('a damaged file is left out, and a folder that cannot be written is logged once', async () => {
  const one = start('one', [0]);
  await one.exchange();
  writeFileSync(join(directory, 'pump/past/processes/bad.json'), '{');
  await one.exchange();
  expect(one.names()).toEqual(['one']);
  rmSync(directory, { recursive: true });
  writeFileSync(directory, '');
  await one.exchange();
  await one.exchange();
  expect(warnings).toHaveLength(1);
});
