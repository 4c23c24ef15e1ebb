import { Commits } from '../../../src/sources/kafka/commits';
import { TopicProgress } from '../../../src/sources/kafka/progress';

const open: Commits[] = [];
afterEach(() => open.splice(0).forEach((commits) => commits.stop()));

function create({ external = false, intervalMs = 60_000 } = {}) {
  const sent: string[] = [];
  const errors: Error[] = [];
  const answers: ((error?: Error) => void)[] = [];
  const progress = new TopicProgress();
  const commits = new Commits({
    commit: (offsets) =>
      new Promise((resolve, reject) => {
        sent.push(offsets.map(({ partition, offset }) => `${partition}:${offset}`).join());
        answers.push((error) => (error === undefined ? resolve() : reject(error)));
      }),
    external,
    progress,
    intervalMs,
    onError: (error) => errors.push(error),
  });
  open.push(commits);
  return { commits, sent, errors, progress, answer: (error?: Error) => answers.shift()!(error) };
}
const turn = () => new Promise(setImmediate);

test('commits handled offsets, which count once the broker confirms them', async () => {
  const { commits, sent, progress, answer } = create();
  commits.read(0, -1n);
  commits.handled(0, 5n);
  commits.handled(1, 7n);
  expect(commits.confirmed(0)).toBe(-1n);
  const flushed = commits.flush();
  await turn();
  expect(sent).toEqual(['0:5,1:7']);
  expect(progress.of(0)).toBeUndefined();
  answer();
  await flushed;
  expect(commits.confirmed(0)).toBe(5n);
  expect(progress.of(0)).toEqual({ position: 5n, committed: true });
  await commits.flush();
  expect(sent).toHaveLength(1);
});

test('a second commit waits for the first', async () => {
  const { commits, sent, answer } = create();
  commits.handled(0, 5n);
  void commits.flush();
  await turn();
  commits.handled(0, 6n);
  const second = commits.flush();
  await turn();
  expect(sent).toEqual(['0:5']);
  answer();
  await turn();
  expect(sent).toEqual(['0:5', '0:6']);
  answer();
  await second;
  expect(commits.confirmed(0)).toBe(6n);
});

test('a failed commit is reported and repeated with the next', async () => {
  const { commits, sent, errors, answer } = create();
  commits.handled(0, 5n);
  const failed = commits.flush();
  await turn();
  answer(new Error('not the coordinator'));
  await failed;
  expect(errors.map(({ message }) => message)).toEqual(['offset commit failed']);
  expect(commits.confirmed(0)).toBeUndefined();
  void commits.flush();
  await turn();
  expect(sent).toEqual(['0:5', '0:5']);
  answer();
});

test('discarded offsets are not committed', async () => {
  const { commits, sent } = create();
  commits.handled(0, 5n);
  commits.discard();
  await commits.flush();
  expect(sent).toEqual([]);
});

test('with an external commit nothing is committed here, and handled offsets are confirmed', async () => {
  const { commits, sent, progress } = create({ external: true });
  commits.handled(0, 5n);
  await commits.flush();
  expect(sent).toEqual([]);
  expect(commits.confirmed(0)).toBe(5n);
  expect(progress.of(0)).toEqual({ position: 5n, committed: true });
});

test('commits after the interval', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask'] });
  try {
    const { commits, sent } = create({ intervalMs: 1_000 });
    commits.handled(0, 5n);
    jest.advanceTimersByTime(999);
    await commits.flushIfDue();
    await turn();
    expect(sent).toEqual([]);
    jest.advanceTimersByTime(1);
    await turn();
    expect(sent).toEqual(['0:5']);
    commits.stop();
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});
