import type { Detection } from '../../src/domain/detection';
import { advance, beginSuspicion, type Suspicion } from '../../src/domain/suspicion';
import { detection } from './detections';
import { eventPolicy as policy } from './event-policy';

/** `!`: flow is odd; `.`: a normal record; `_`: one without a value of flow. */
function steps(pattern: string, suspicion: Suspicion, overrides = {}, surprise = 4): string[] {
  return Array.from(pattern, (letter, i) => {
    const { contributions, ...odd } = detection(i, surprise);
    const anomalous: Detection = { ...odd, contributions: [{ ...contributions[0]!, channel: 'flow' }] };
    const heard = { key: odd.key, timestamp: i, ...(letter === '_' && { missing: ['flow'] }) };
    const given = letter === '!' ? anomalous : undefined;
    return advance(suspicion, heard, given, i, () => [i], { ...policy, ...overrides });
  });
}
const waiting = 'waiting';

test('gathers from the k-th anomalous record of the last n on, with those before it', () => {
  const suspicion = beginSuspicion(0, 0);
  expect(steps('!.!!', suspicion)).toEqual([waiting, waiting, 'gathered', 'gathered']);
  expect(suspicion.gathering).toMatchObject({ event: { start: 0, anomalousRecords: 3 }, mark: [2] });
});

test('is quiet after enough normal records, and at once when no anomalous one counts any more', () => {
  expect(steps('!!..', beginSuspicion(0, 0)).at(-1)).toBe('quiet');
  expect(steps('!...', beginSuspicion(0, 0))).toEqual([waiting, waiting, waiting, 'quiet']);
});

test('waits for a value of the odd channel, until the silence is too long', () => {
  expect(steps('!!____', beginSuspicion(0, 0), { silenceMs: 3 })).toEqual([
    waiting,
    'gathered',
    ...[waiting, waiting, waiting, 'silence'],
  ]);
});

test('changes nothing while an accepted event lasts; one that is ten times less probable is another event', () => {
  const accepted = (): Suspicion => ({ ...beginSuspicion(0, 0), accepted: 4 });
  expect(steps('!!!.!', accepted(), {}, 5)).toEqual(Array(5).fill(waiting));
  const other = accepted();
  expect(steps('!!', other, {}, 5.1)).toEqual([waiting, 'gathered']);
  expect(other.accepted).toBeUndefined();
  expect(steps('..', accepted())).toEqual([waiting, 'quiet']);
});
