/** Filters the events that a notification sink receives. */
import type { AnomalyEvent } from '../../domain/event';
import { amount, choices, names } from '../../schema/formats';
import type { Parsed, Section } from '../../schema/key';

export const filterSection = {
  kinds: choices({ doc: 'Kinds of events that are sent.', default: ['anomaly', 'silent'], reloads: true }, [
    'anomaly',
    'silent',
  ]),
  keys: names({
    doc: 'Devices whose events are sent; `*` stands for any characters. Empty: all.',
    default: [],
    reloads: true,
  }),
  channels: names({
    doc:
      'Channels of which at least one must be unusual or beyond a limit in the event; `*` stands for any characters. Silent devices ' +
      'have no channels and always pass. Empty: all.',
    default: [],
    reloads: true,
  }),
  minSurprise: amount({
    doc: 'Least peak surprise. An event that reaches it later is sent then.',
    default: 0,
    reloads: true,
  }),
} satisfies Section;

export type FilterSettings = Parsed<typeof filterSection>;
export type EventFilter = (event: AnomalyEvent) => boolean;

export function createEventFilter({ kinds, keys, channels, minSurprise }: FilterSettings): EventFilter {
  const isKey = createMatcher(keys);
  const isChannel = createMatcher(channels);
  return ({ kind, key, keys: group = [key], peakSurprise, contributions, limits }) =>
    peakSurprise >= minSurprise &&
    kinds.includes(kind) &&
    group.some(isKey) &&
    (kind === 'silent' ||
      channels.length === 0 ||
      limits.some(({ channel }) => isChannel(channel)) ||
      contributions.some(({ channel, records }, i) => (i === 0 || records > 0) && isChannel(channel)));
}

function createMatcher(patterns: readonly string[]): (text: string) => boolean {
  if (patterns.length === 0) return () => true;
  const alternatives = patterns.map((pattern) =>
    pattern
      .split(/\*+/)
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*'),
  );
  const expression = new RegExp(`^(?:${alternatives.join('|')})$`, 's');
  return (text) => expression.test(text);
}
