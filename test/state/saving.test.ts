import { createSaving, type Saved } from '../../src/state/saving';
import type { BaselinesStart, PartitionSnapshot, RecordedLabel } from '../../src/state/snapshot';
import type { StoredPartition } from '../../src/state/stored';

const snapshotAt = (offset: number, version?: string) =>
  ({
    offset: BigInt(offset),
    labels: [],
    ...(version !== undefined && { baselines: startOf(version) }),
  }) as unknown as PartitionSnapshot;
const startOf = (version: string): BaselinesStart => ({
  version,
  from: 0n,
  afterLoss: false,
  devices: { keys: [], cells: new Float64Array() },
});

const labelAfter = (offset: number): RecordedLabel => ({
  event: `e${offset}`,
  label: 'anomaly',
  after: BigInt(offset),
});

/** Logs what is saved: offset, version of the baselines, and the labels. */
function createTestSaving(saveEvery = 10, maxReplay?: number) {
  const log: string[] = [];
  const disk = { full: false };
  const write = (text: string): Promise<boolean> => {
    if (!disk.full) log.push(text);
    return Promise.resolve(!disk.full);
  };
  const namesOf = (labels: readonly RecordedLabel[]): string => labels.map(({ event }) => event).join(' ');
  const stored: Pick<StoredPartition, 'save' | 'amend'> = {
    save: ({ offset, baselines, labels }) =>
      write([offset, baselines?.version, namesOf(labels)].join(' ').trim()),
    amend: ({ baselines, labels = [] }) =>
      write(['amend', baselines?.version, namesOf(labels)].filter((part) => part).join(' ')),
  };
  const saving = createSaving(stored, saveEvery, maxReplay);
  const saveDue = async (to: number, committed: number | undefined, devices = 0) => {
    const contents: Saved = { to: BigInt(to), devices, take: () => snapshotAt(to) };
    await saving.saveDue(contents, committed === undefined ? undefined : BigInt(committed));
    return log.splice(0);
  };
  return { saving, disk, saveDue, log };
}

test('the beginning of a partition is saved first, and again until that succeeds', async () => {
  const { saving, disk, saveDue } = createTestSaving();
  saving.begin(snapshotAt(-1));
  disk.full = true;
  expect(await saveDue(3, 0)).toEqual([]);
  disk.full = false;
  expect(await saveDue(5, 0)).toEqual(['-1']);
  expect(await saveDue(6, 0)).toEqual([]);
});

test('a partition that continues from a stored state has no beginning to save', async () => {
  const { saving, saveDue } = createTestSaving();
  saving.continue(100n, []);
  expect(await saveDue(105, 105)).toEqual([]);
  expect(await saveDue(110, 111)).toEqual(['110']);
});

test('a snapshot waits until the source has committed beyond it', async () => {
  const { saving, saveDue } = createTestSaving();
  saving.continue(0n, []);
  expect(await saveDue(12, 5)).toEqual([]);
  expect(await saveDue(20, 12)).toEqual([]);
  expect(await saveDue(25, 13)).toEqual(['12']);
  expect(await saveDue(25, 26)).toEqual(['25']);
});

test('where the source commits nothing, only the beginning is saved', async () => {
  const { saving, saveDue } = createTestSaving();
  saving.begin(snapshotAt(0));
  expect(await saveDue(500, undefined)).toEqual(['0']);
  expect(await saveDue(900, undefined)).toEqual([]);
});

test('saves are rarer if there are many devices', async () => {
  const { saving, saveDue } = createTestSaving();
  saving.continue(0n, []);
  expect(await saveDue(100, 1000, 6)).toEqual([]);
  expect(await saveDue(120, 1000, 6)).toEqual(['120']);
});

test('saves are frequent enough for the state to be used, however many devices there are', async () => {
  const { saving, saveDue } = createTestSaving(10, 100);
  saving.continue(0n, []);
  expect(await saveDue(40, 1000, 1000)).toEqual([]);
  expect(await saveDue(50, 1000, 1000)).toEqual(['50']);
});

describe('baselines of a new version', () => {
  test('are saved with the beginning of the partition', async () => {
    const { saving, saveDue } = createTestSaving();
    saving.begin(snapshotAt(0, 'v1'));
    saving.beginBaselines(startOf('v2'));
    expect(await saveDue(1, 1)).toEqual(['0 v2']);
  });

  test('replace those of a waiting snapshot, and are saved at once', async () => {
    const { saving, saveDue } = createTestSaving();
    saving.continue(0n, []);
    await saveDue(12, 5);
    saving.beginBaselines(startOf('v2'));
    expect(await saveDue(13, 13)).toEqual(['amend v2', '12 v2']);
  });

  test('make the next save due', async () => {
    const { saving, saveDue } = createTestSaving(1000);
    saving.continue(0n, []);
    saving.beginBaselines(startOf('v2'));
    expect(await saveDue(13, 20)).toEqual(['amend v2', '13']);
  });
});

describe('labels', () => {
  test('are saved before the records that follow them, and with each snapshot that they follow', async () => {
    const { saving, saveDue, log } = createTestSaving();
    saving.continue(0n, [labelAfter(3)]);
    await saving.recordLabels([labelAfter(5)]);
    expect(log.splice(0)).toEqual(['amend e3 e5']);
    // Taken after the label, which has had its effect.
    expect(await saveDue(12, 5)).toEqual([]);
    await saving.recordLabels([labelAfter(12)]);
    expect(log.splice(0)).toEqual(['amend e3 e5 e12']);
    expect(await saveDue(13, 13)).toEqual(['12  e12']);
    await saving.recordLabels([labelAfter(20)]);
    expect(log.splice(0)).toEqual(['amend e12 e20']);
  });

  test('are saved with the beginning of the partition, and again until that succeeds', async () => {
    const { saving, disk, saveDue, log } = createTestSaving();
    saving.begin(snapshotAt(0, 'v1'));
    disk.full = true;
    await saving.recordLabels([labelAfter(4)]);
    disk.full = false;
    expect(log).toEqual([]);
    expect(await saveDue(5, 1)).toEqual(['0 v1 e4']);
    saving.beginBaselines(startOf('v2'));
    disk.full = true;
    await saving.recordLabels([labelAfter(7)]);
    disk.full = false;
    expect(await saveDue(8, 1)).toEqual(['amend v2 e4 e7']);
  });
});
