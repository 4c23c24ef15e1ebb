import { PhaseMachine, type Phase } from '../../../src/sources/kafka/phase';

function enterAll(...phases: Phase[]) {
  const entered: Phase[] = [];
  const machine = new PhaseMachine((phase) => entered.push(phase));
  const accepted = phases.map((phase) => machine.enter(phase));
  return { entered, accepted, current: machine.current() };
}

test('a session connects, joins, plans, consumes, and stops', () => {
  const phases: Phase[] = ['joining', 'planning', 'consuming', 'stopping', 'closed'];
  const { entered, current } = enterAll(...phases);
  expect(entered).toEqual(['connecting', ...phases]);
  expect(current).toBe('closed');
});

test('a rebalance leads back to planning, also without its event', () => {
  expect(
    enterAll('joining', 'planning', 'rebalancing', 'planning', 'consuming', 'planning', 'planning').accepted,
  ).toEqual(Array(7).fill(true));
});

test('a join after the session has begun to stop changes nothing', () => {
  expect(enterAll('joining', 'planning', 'stopping', 'planning', 'consuming')).toEqual({
    entered: ['connecting', 'joining', 'planning', 'stopping'],
    accepted: [true, true, true, false, false],
    current: 'stopping',
  });
});

test('nothing is consumed before the start offsets are known', () => {
  expect(enterAll('joining', 'consuming').accepted).toEqual([true, false]);
  expect(enterAll('joining', 'planning', 'rebalancing', 'consuming').accepted.at(-1)).toBe(false);
});
