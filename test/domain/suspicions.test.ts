import { beginSuspicion } from '../../src/domain/suspicion';
import { Suppressed, Suspicions } from '../../src/domain/suspicions';

test('those that are silent are found in the order of their last record, as long as they are not deleted', () => {
  const suspicions = new Suspicions(10);
  for (const [key, at] of [
    ['a', 0],
    ['b', 1],
    ['c', 2],
  ] as const)
    suspicions.set(key, beginSuspicion(at, at));
  const again = suspicions.get('a')!;
  again.heardAt = 9;
  suspicions.putLast('a', again);
  const silentAt = (clock: number): string[] => suspicions.silent(clock).map(([key]) => key);
  expect(silentAt(11)).toEqual([]);
  expect(silentAt(13)).toEqual(['b', 'c']);
  suspicions.delete('b');
  suspicions.delete('c');
  expect(silentAt(19)).toEqual([]);
  expect(silentAt(20)).toEqual(['a']);
  suspicions.delete('a');
  // A device that becomes suspicious later is found, too.
  suspicions.set('d', beginSuspicion(40, 40));
  expect([silentAt(50), silentAt(51)]).toEqual([[], ['d']]);
});

test('a snapshot is not changed by what comes after it', () => {
  const suspicions = new Suspicions(10, [['a', { ...beginSuspicion(0, 0), gathering: undefined }]]);
  const snapshot = suspicions.snapshot();
  suspicions.get('a')!.quietRecords = 7;
  expect(snapshot).toMatchObject([['a', { quietRecords: 0 }]]);
  expect(new Suspicions(10, snapshot).snapshot()).toEqual(snapshot);
});

test('records of a suppressed key are covered until its time is over; the anomalous ones are counted', () => {
  const suppressed = new Suppressed([['a', 5]]);
  const covers = (key: string, timestamp: number, anomalous: boolean) =>
    suppressed.covers({ key, timestamp }, anomalous);
  expect([covers('a', 4, true), covers('a', 5, false), covers('b', 4, true)]).toEqual([true, true, false]);
  expect(suppressed.records).toBe(1);
  expect([covers('a', 6, true), covers('a', 5, true)]).toEqual([false, false]);
});

test('suppressed keys are forgotten, in order, when the clock of the partition has passed their time', () => {
  const suppressed = new Suppressed([
    ['a', 5],
    ['b', 7],
  ]);
  suppressed.expire(5);
  expect([...suppressed.keys()]).toEqual(['a', 'b']);
  suppressed.expire(6);
  expect([...suppressed.keys()]).toEqual(['b']);
});
