import { runSeriesProcess } from '../../../src/offline/evaluate/series-process';

const node = (script: string): [string, ...string[]] => [process.execPath, '-e', script];
const never = new AbortController().signal;

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
