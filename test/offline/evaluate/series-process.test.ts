import { runConcurrently, runSeriesProcess } from '../../../src/offline/evaluate/series-process';

const node = (script: string): [string, ...string[]] => [process.execPath, '-e', script];
const never = new AbortController().signal;

test('no more than the limit at once, results in the order of the items', async () => {
  let running = 0;
  let most = 0;
  const results = await runConcurrently([30, 1, 20, 5, 1], 2, async (ms) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, ms));
    running--;
    return ms * 2;
  });
  expect(results).toEqual([60, 2, 40, 10, 2]);
  expect(most).toBe(2);
});

test('the first failure ends the others and is what it rejects with; nothing more begins', async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const run = runConcurrently(['bad', 'slow', 'later'], 2, async (name, signal) => {
    begun.push(name);
    if (name === 'bad') throw new Error('it broke');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    ended.push(name);
  });
  await expect(run).rejects.toThrow('it broke');
  expect(begun).toEqual(['bad', 'slow']);
  expect(ended).toEqual(['slow']);
});

test('what a process prints is its outcome', async () => {
  const script = 'process.stdout.write(JSON.stringify({ series: "a", scores: [1, 2] }))';
  expect(await runSeriesProcess(node(script), {}, never)).toEqual({ series: 'a', scores: [1, 2] });
});

test.each([
  ['process.stderr.write("no such file\\n"); process.exitCode = 1', 'no such file'],
  ['process.exitCode = 3', 'exit code 3'],
  ['process.kill(process.pid, "SIGKILL")', 'SIGKILL'],
])('%s: rejects with what is known of it', async (script, message) => {
  await expect(runSeriesProcess(node(script), {}, never)).rejects.toThrow(message);
});

test('an aborted one is ended', async () => {
  const abort = new AbortController();
  const run = runSeriesProcess(node('process.stdin.resume()'), {}, abort.signal);
  abort.abort();
  await expect(run).rejects.toThrow(/abort/i);
});
