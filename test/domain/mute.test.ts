import type { AnomalyEvent } from '../../src/domain/event';
import { isInForce, isMuted, muteStatus, type Mute } from '../../src/domain/mute';

const at = Date.parse('2026-03-01T12:00:00Z');
const hour = 3_600_000;

const mute = (more: Partial<Mute> = {}): Mute => ({
  id: 'm',
  key: '',
  channel: '',
  from: at,
  until: at + hour,
  note: '',
  ...more,
});
const event = (more: Partial<AnomalyEvent> = {}): AnomalyEvent =>
  ({
    id: 'e',
    key: 'pump-1',
    kind: 'anomaly',
    status: 'open',
    limits: [],
    contributions: [{ channel: 'flow' }, { channel: 'power' }],
    ...more,
  }) as AnomalyEvent;

test('a mute is in force from its beginning until before its end', () => {
  expect([at - 1, at, at + hour - 1, at + hour].map((time) => isInForce(mute(), time))).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

describe('a mute that recurs', () => {
  // Every Sunday at 02:00 in Berlin, for two hours; 2026-03-01 is a Sunday, and 02:00 is 01:00 UTC.
  const weekly = mute({
    from: 0,
    until: null,
    recurring: { cron: '0 2 * * 0', forMs: 2 * hour, timeZone: 'Europe/Berlin' },
  });

  test.each([
    ['2026-03-01T00:59:59Z', false],
    ['2026-03-01T01:00:00Z', true],
    ['2026-03-01T02:59:59Z', true],
    ['2026-03-01T03:00:00Z', false],
    ['2026-03-02T01:30:00Z', false],
    ['2026-03-08T01:30:00Z', true],
    // Summer time has begun: 02:00 is 00:00 UTC.
    ['2026-04-05T00:30:00Z', true],
    ['2026-04-05T02:30:00Z', false],
  ])('%s: %s', (time, expected) => expect(isInForce(weekly, Date.parse(time))).toBe(expected));

  test('ends', () => {
    expect(isInForce({ ...weekly, until: at - hour }, Date.parse('2026-03-08T01:30:00Z'))).toBe(false);
  });
});

describe('the status of a mute', () => {
  const daily = { cron: '0 14 * * *', forMs: 2 * hour, timeZone: 'UTC' };
  test.each<[string, Partial<Mute>, ReturnType<typeof muteStatus>]>([
    ['in force', {}, { inForce: true }],
    ['begins later', { from: at + 5, until: at + hour }, { inForce: false, next: at + 5 }],
    ['over', { from: 0, until: at }, { inForce: false }],
    [
      'recurs, and is in force',
      { until: null, recurring: { ...daily, cron: '0 11 * * *' } },
      { inForce: true },
    ],
    ['recurs', { until: null, recurring: daily }, { inForce: false, next: at + 2 * hour }],
    [
      'begins within one of its windows',
      { from: at + 3 * hour, until: null, recurring: daily },
      { inForce: false, next: at + 3 * hour },
    ],
    ['ends before its next window', { until: at + 2 * hour, recurring: daily }, { inForce: false }],
  ])('%s', (_, more, expected) => expect(muteStatus(mute(more), at)).toEqual(expected));
});

test.each<[string, Partial<Mute>, Partial<AnomalyEvent>, boolean]>([
  ['all', {}, {}, true],
  ['its device', { key: 'pump-1' }, {}, true],
  ['another device', { key: 'pump-10' }, {}, false],
  ['the channel that ranks first', { channel: 'flow' }, {}, true],
  ['a channel that ranks later', { channel: 'power' }, {}, false],
  ['a channel, of an event without any', { channel: 'flow' }, { contributions: [] }, false],
  [
    'the channel of a violated limit',
    { channel: 'power' },
    { limits: [{ channel: 'power', limit: 'max', bound: 1, actual: 2 }] },
    true,
  ],
  [
    'one of two channels beyond their limits',
    { channel: 'power' },
    {
      limits: [
        { channel: 'power', limit: 'max', bound: 1, actual: 2 },
        { channel: 'flow', limit: 'max', bound: 1, actual: 2 },
      ],
    },
    false,
  ],
])('a mute of %s', (_, muted, of, expected) => {
  expect(isMuted([mute(muted)], event(of), at)).toBe(expected);
});

test('an event of several devices is muted if each of them is', () => {
  const silent = event({ kind: 'silent', contributions: [], keys: ['a', 'b'] });
  expect(isMuted([mute({ key: 'a' })], silent, at)).toBe(false);
  expect(isMuted([mute({ key: 'a' }), mute({ key: 'b' })], silent, at)).toBe(true);
  expect(isMuted([mute({ key: 'a' }), mute({ key: 'b', until: at })], silent, at)).toBe(false);
});
