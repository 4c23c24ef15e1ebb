import { createTurns } from '../../src/pipeline/turns';

test('tasks of one name run in order, one at a time; those of another name run beside them', async () => {
  const inTurn = createTurns();
  const log: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string, id: string) =>
    inTurn(name, async () => {
      log.push(`+${id}`);
      await new Promise<void>((resolve) => ends.set(id, resolve));
      log.push(`-${id}`);
    });
  const all = [start('a', 'a1'), start('a', 'a2'), start('b', 'b1')];
  expect(log).toEqual(['+a1', '+b1']);
  ends.get('b1')!();
  ends.get('a1')!();
  await all[0];
  await new Promise(setImmediate);
  expect(log).toEqual(['+a1', '+b1', '-b1', '-a1', '+a2']);
  ends.get('a2')!();
  await Promise.all(all);
});

test('a failed task rejects and does not keep the next one from running', async () => {
  const inTurn = createTurns();
  const failed = inTurn('a', () => Promise.reject(new Error('no')));
  const next = inTurn('a', () => Promise.resolve());
  await expect(failed).rejects.toThrow('no');
  await next;
});
