import type { PastEvent } from '../../src/past/past-event';
import type { ScoringProcess } from '../../src/past/processes';
import type { ActiveDetector } from '../../src/pipeline/pipeline';
import { detectorState, type StateParts } from '../../src/runtime/detector-state';

const dayMs = 86_400_000;
const process: ScoringProcess = {
  name: 'a',
  at: 0,
  stale: false,
  partitions: [0],
  openEvents: 2,
  recordsPerSecond: 10,
  devices: 3,
  spentRatio: 0.25,
  version: '20260101T000000.000Z',
};
const event = (openedAt: number, status: string) => ({ event: { openedAt, status } }) as PastEvent;

function stateOf(parts: Partial<StateParts> = {}) {
  return detectorState({
    processes: [process],
    events: [],
    eventsPerMs: undefined,
    active: undefined,
    livePower: undefined,
    training: false,
    now: 10 * dayMs,
    ...parts,
  });
}

test('sums over processes, and counts no records of one that has died', () => {
  const dead = { ...process, name: 'b', stale: true, spentRatio: 0.75 };
  expect(stateOf({ processes: [process, dead] })).toMatchObject({
    openEvents: 4,
    recordsPerSecond: 10,
    devices: 6,
    budget: { spentRatio: 0.75, eventsPerDay: null },
  });
});

test('counts the events of the last day of event time, those held back by themselves', () => {
  const events = [event(8 * dayMs, 'closed'), event(9 * dayMs, 'open'), event(9.5 * dayMs, 'held_back')];
  expect(stateOf({ events, eventsPerMs: 5 / dayMs }).budget).toEqual({
    eventsPerDay: 5,
    spentRatio: 0.25,
    openedToday: 1,
    heldBackToday: 1,
  });
});

test('has a model once there is one', () => {
  expect(stateOf().model).toBeUndefined();
  const active = { detector: { version: '20260101T000000.000Z' }, threshold: 3 } as ActiveDetector;
  expect(stateOf({ active }).model).toEqual({
    version: '20260101T000000.000Z',
    createdAt: Date.parse('2026-01-01T00:00:00Z'),
    threshold: 3,
    coldStart: false,
    drift: { active: false, evidenceRatio: 0 },
    power: {},
  });
});
