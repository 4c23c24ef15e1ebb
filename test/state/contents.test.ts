import {
  createContents,
  decideBy,
  followVersion,
  takeRestoredBaselines,
  type Contents,
} from '../../src/state/contents';
import { addLabels, newLabels, takeLabels } from '../../src/state/pending-labels';
import type { BaselinesStart, PartitionSnapshot } from '../../src/state/snapshot';
import { detection } from '../domain/detections';
import { eventPolicy } from '../domain/event-policy';
import { createSimpleDetector } from './harness';

const policy = { ...eventPolicy, openRecords: 1, openWindow: 1, eventsPerMs: 1e-9 };
const baselinePolicy = { records: 10, maxKeys: 5 };
const start = (version: string): BaselinesStart => ({
  version,
  from: 0n,
  afterLoss: false,
  devices: { keys: [], cells: new Float64Array() },
});

function create(beginning: Partial<PartitionSnapshot> = {}): Contents {
  const windows = { ttlMs: 9, intervalMs: 0, gaps: 'ignore', padding: 'none', maxKeys: 5 } as const;
  const rules = { shape: { length: 2, channels: 1, conditions: 0 }, windows, events: policy };
  return createContents(rules, { lost: false, offset: 7n, ...beginning });
}

test('another policy decides with the events so far; an equal one changes nothing', () => {
  const contents = create();
  const { events } = contents;
  events.observe(detection(0, 9));
  decideBy(contents, { ...policy }, 2);
  expect(contents.events).toBe(events);
  const other = { ...policy, closeAfter: 1 };
  decideBy(contents, other, 2);
  expect(contents.policy).toBe(other);
  expect(contents.events.observe(detection(1, 0))).toMatchObject([{ status: 'closed' }]);
});

describe('restored baselines', () => {
  const detector = createSimpleDetector('v1');
  const take = (contents: Contents, errors: unknown[] = []) =>
    takeRestoredBaselines(contents, detector, baselinePolicy, (err) => errors.push(err));

  test('are taken once by the version that they are of', () => {
    const contents = create({ baselines: start('v1') });
    expect(take(contents)).toMatchObject({ restored: { version: 'v1' }, afterLoss: false });
    expect(take(contents)).toEqual({ afterLoss: false });
  });

  test('of another version are dropped, and are no loss; without any, records may be lost', () => {
    expect(take(create({ lost: true, baselines: start('v0') }))).toEqual({ afterLoss: false });
    expect(take(create({ lost: true }))).toEqual({ afterLoss: true });
  });

  test('that cannot be read are reported, and lost', () => {
    const errors: unknown[] = [];
    const broken = { ...start('v1'), devices: { keys: ['a'], cells: new Float64Array(1) } };
    expect(take(create({ baselines: broken }), errors)).toEqual({ afterLoss: true });
    expect(errors).toHaveLength(1);
  });
});

test('the baselines of a new version begin after what is processed, but not before the first live message', () => {
  const contents = create();
  contents.to = 7n;
  const begun: bigint[] = [];
  const follow = (liveFrom: bigint | undefined) =>
    followVersion(contents, createSimpleDetector('v1'), {
      policy: baselinePolicy,
      liveFrom,
      onBegin: ({ from }) => begun.push(from),
      onUnreadable: () => undefined,
    });
  expect(follow(undefined)).toBeUndefined();
  expect([follow(3n)?.version, follow(20n)?.version]).toEqual(['v1', 'v1']);
  expect(begun).toEqual([7n, 19n]);
});

test('labels are recorded before anybody is told of them, and once', async () => {
  const contents = create();
  contents.events.observe(detection(0, 9));
  const steps: string[] = [];
  const rules = {
    labels: () => [{ key: 'pump-1', from: 0, to: 0, label: 'new normal' as const }],
    onLabel: () => steps.push('told'),
  };
  const record = () => Promise.resolve().then(() => void steps.push('recorded'));
  await addLabels(contents, rules, record);
  await addLabels(contents, rules, record);
  expect([steps, contents.labels.length]).toEqual([['recorded', 'told'], 1]);
});

test('a label is pending once, and takes effect after its record', () => {
  const contents = create();
  contents.events.observe(detection(0, 9));
  const given = [{ key: 'pump-1', from: 0, to: 0, label: 'new normal' as const }];
  const found = newLabels(contents, given);
  expect(found).toMatchObject([{ label: 'new normal', after: 7n }]);
  contents.labels = found;
  expect(newLabels(contents, given)).toEqual([]);
  expect(takeLabels(contents, 7n)).toEqual([]);
  expect(takeLabels(contents, 8n)).toMatchObject([{ closedBy: 'accepted' }]);
  expect(contents.labels).toEqual([]);
});

test('a new normal is learned by the baseline of its device, and undone there if that is of the same version', () => {
  const contents = create();
  const calls: unknown[][] = [];
  const memory = {
    accept: (...given: unknown[]) => calls.push(['accept', ...given]),
    undo: (...given: unknown[]) => calls.push(['undo', ...given]),
  };
  const baselinesOf = (version: string) =>
    ({ version, peek: () => memory }) as unknown as Contents['baselines'];
  contents.baselines = baselinesOf('v1');
  contents.events.observe(detection(3, 9), undefined, () => [4]);
  const event = contents.events.currentEvents()[0]!.id;
  contents.labels = [{ event, label: 'new normal', after: 7n }];
  takeLabels(contents, 8n);
  const undo = { event, label: 'anomaly', after: 8n } as const;
  const snapshot = contents.events.snapshot();
  contents.labels = [undo];
  takeLabels(contents, 9n);
  expect(calls).toEqual([
    ['accept', 1, 3],
    ['undo', 3, [4]],
  ]);
  const later = create({ events: snapshot });
  later.baselines = baselinesOf('v2');
  later.labels = [undo];
  takeLabels(later, 9n);
  expect(calls).toHaveLength(2);
});
