import type { AnomalyEvent } from '../../../src/domain/event';
import { createEventFilter, type FilterSettings } from '../../../src/sinks/notification/filter';
import { createEvent } from '../events';

const all: FilterSettings = { kinds: ['anomaly', 'silent'], keys: [], channels: [], minSurprise: 0 };
const group = { kind: 'silent', key: 'a-1', keys: ['a-1', 'b-2'], contributions: [] } as const;

test.each<[string, Partial<FilterSettings>, Partial<AnomalyEvent>, boolean]>([
  ['everything', {}, {}, true],
  ['a kind', { kinds: ['silent'] }, {}, false],
  ['a kind of silent devices', { kinds: ['silent'] }, group, true],
  ['a key', { keys: ['pump-3'] }, {}, true],
  ['another key', { keys: ['pump-4', 'pump-33', 'ump-3'] }, {}, false],
  ['a pattern', { keys: ['x', 'pump-*'] }, {}, true],
  ['a pattern with signs of expressions', { keys: ['p(mp.*'] }, { key: 'p(mp.1' }, true],
  ['a dot is no wildcard', { keys: ['pump.3'] }, {}, false],
  ['a key of a group', { keys: ['b-*'] }, group, true],
  ['no key of a group', { keys: ['c-*'] }, group, false],
  ['a channel', { channels: ['press*'] }, {}, true],
  ['another channel', { channels: ['speed'] }, {}, false],
  [
    'a channel beyond a limit',
    { channels: ['speed'] },
    { limits: [{ channel: 'speed', limit: 'max', bound: 1, actual: 2 }] },
    true,
  ],
  ['silent devices, whatever the channels', { channels: ['speed'] }, group, true],
  ['a surprise', { minSurprise: 7.1 }, {}, true],
  ['a larger surprise', { minSurprise: 7.2 }, {}, false],
])('%s: %j', (_, settings, event, passes) => {
  expect(createEventFilter({ ...all, ...settings })(createEvent(event))).toBe(passes);
});

test('a channel that was usual in each record of the event does not count', () => {
  const [flow, pressure] = createEvent().contributions as [never, never];
  const event = createEvent({ contributions: [flow, Object.assign({}, pressure, { records: 0 })] });
  expect(createEventFilter({ ...all, channels: ['pressure'] })(event)).toBe(false);
});
