import { Readiness } from '../../src/runtime/readiness';

const connected = { ready: true, reason: 'assigned' };

test('a detector that starts is not ready', () => {
  const readiness = new Readiness('all', () => connected);
  expect(readiness.isStarting()).toBe(true);
  expect(readiness.report()).toEqual({ ready: false, reason: 'starting' });
});

test('without a model the reason is what the detector does about it, down to the epoch of a training', () => {
  const readiness = new Readiness('all', () => connected);
  readiness.training({ epoch: 1, epochs: 9 });
  expect(readiness.report().reason).toBe('starting');
  readiness.obtainingModel('training the first model');
  expect(readiness.isStarting()).toBe(false);
  expect(readiness.report()).toEqual({ ready: false, reason: 'training the first model' });
  readiness.training({ epoch: 3, epochs: 9 });
  expect(readiness.report().reason).toBe('training the first model (epoch 3 of at most 9)');
});

test('a running detector is as ready as its source, whatever it trains', () => {
  let source = { ready: false, reason: 'connecting' };
  const readiness = new Readiness('score', () => source);
  readiness.running();
  readiness.training({ epoch: 3, epochs: 9 });
  expect(readiness.report()).toEqual(source);
  source = connected;
  expect(readiness.report()).toEqual(connected);
});

test('a running detector is not ready after a failed batch, until a batch is processed', () => {
  let source = connected;
  const readiness = new Readiness('all', () => source);
  readiness.batchEnded('too early to count');
  readiness.running();
  expect(readiness.report()).toEqual(connected);
  readiness.batchEnded('sink kafka ← timeout');
  expect(readiness.report()).toEqual({ ready: false, reason: 'sink kafka ← timeout' });
  // What the source lacks is reported first.
  source = { ready: false, reason: 'connecting' };
  expect(readiness.report()).toEqual(source);
  source = connected;
  readiness.batchEnded();
  expect(readiness.report()).toEqual(connected);
});

test('a process that only trains does not need its source', () => {
  const readiness = new Readiness('train', () => ({ ready: false, reason: 'connecting' }));
  readiness.running();
  expect(readiness.report()).toEqual({ ready: true, reason: 'training' });
});

test('nothing follows stopping', () => {
  const readiness = new Readiness('all', () => connected);
  readiness.stopping();
  readiness.obtainingModel('training the first model');
  readiness.running();
  expect(readiness.report()).toEqual({ ready: false, reason: 'stopping' });
});

test('a running detector that scores nothing of what it receives is not ready', () => {
  let problem: string | undefined;
  const readiness = new Readiness(
    'all',
    () => connected,
    () => problem,
  );
  readiness.running();
  expect(readiness.report()).toEqual(connected);
  problem = 'no record is scored: 100 received';
  expect(readiness.report()).toEqual({ ready: false, reason: problem });
  problem = undefined;
  expect(readiness.report()).toEqual(connected);
});

test('a cold start is ready, says so, and says what is done about the model that is missing', () => {
  let isColdStart = true;
  const readiness = new Readiness(
    'all',
    () => connected,
    () => undefined,
    () => isColdStart,
  );
  readiness.running();
  expect(readiness.report()).toEqual({ ready: true, reason: 'cold start' });
  readiness.awaitingModel('training the first model');
  expect(readiness.report()).toEqual({ ready: true, reason: 'cold start; training the first model' });
  readiness.training({ epoch: 3, epochs: 9 });
  expect(readiness.report().reason).toBe('cold start; training the first model (epoch 3 of at most 9)');
  readiness.batchEnded('sink kafka ← timeout');
  expect(readiness.report()).toEqual({ ready: false, reason: 'sink kafka ← timeout' });
  readiness.batchEnded();
  isColdStart = false;
  expect(readiness.report()).toEqual(connected);
});
