import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import os from 'node:os';
import { TrainingError } from '../../src/errors';
import {
  failureMessage,
  formatTrainingMessage,
  parseTrainingMessage,
  type TrainingHistory,
  type TrainingProgress,
} from '../../src/runtime/training-message';
import { exitWhenParentIsGone, runTrainingProcess } from '../../src/runtime/training-process';
import { createRecordedLog } from './recorded-log';

jest.setTimeout(30_000);

const published = `console.log(JSON.stringify({type:'published',version:'v1'}));`;
const logPid = `console.error('pid '+process.pid);`;
/** Runs until it is ended. */
const forever = `setInterval(()=>{},1000);`;

/** Runs a Node.js script as the training, and expects that its process has ended afterwards. */
async function run(
  script: string,
  options: {
    signal?: AbortSignal;
    graceMs?: number;
    nodeArgs?: string[];
    env?: NodeJS.ProcessEnv;
    onLine?: (line: string) => void;
    onHistory?: (history: TrainingHistory) => void;
  } = {},
) {
  const progress: TrainingProgress[] = [];
  const log = createRecordedLog();
  const debug = log.debug;
  log.debug = (message, fields = {}) => {
    debug(message, fields);
    options.onLine?.(String(fields['line']));
  };
  const result = await runTrainingProcess({
    command: [process.execPath, ...(options.nodeArgs ?? []), '-e', logPid + script],
    env: options.env ?? {},
    onProgress: (p) => progress.push(p),
    ...(options.onHistory && { onHistory: options.onHistory }),
    log,
    signal: options.signal ?? new AbortController().signal,
    ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
  }).then(
    (version) => ({ version }),
    (error: unknown) => ({ error: error as TrainingError }),
  );
  const lines = log.entries.map(({ fields }) => String(fields['line']));
  const pid = Number(lines.find((line) => line.startsWith('pid '))?.slice(4));
  expect(isRunning(pid)).toBe(false);
  return { ...result, error: 'error' in result ? result.error : undefined, progress, log, lines };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

// Counts the timers; fake time advances with real time.
beforeEach(() =>
  jest.useFakeTimers({
    advanceTimers: true,
    doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'],
  }),
);
afterEach(() => {
  const left = jest.getTimerCount();
  jest.useRealTimers();
  expect(left).toBe(0);
});

it('resolves to the published version and passes progress on', async () => {
  const steps = [
    { type: 'progress', epoch: 1, epochs: 2, trainLoss: 3.5, validationLoss: 4, secondsLeft: 9 },
    { type: 'progress', epoch: 2, epochs: 2, trainLoss: NaN, validationLoss: 3, secondsLeft: 0 },
  ];
  const { progress, ...result } = await run(
    `for (const step of ${JSON.stringify(steps)}) console.log(JSON.stringify(step));${published}`,
  );
  expect(result).toMatchObject({ version: 'v1', error: undefined });
  expect(progress).toEqual(steps);
});

it('passes on how much of the history was rejected, without reasons that do not exist', async () => {
  const onHistory = jest.fn();
  const counts = { type: 'history', records: 600, rejected: { not_a_number: 599, invented: 1, empty: 'x' } };
  const script = `console.log(JSON.stringify(${JSON.stringify(counts)}));${published}`;
  expect(await run(script, { onHistory })).toMatchObject({ version: 'v1' });
  expect(onHistory.mock.calls).toEqual([
    [{ type: 'history', records: 600, rejected: { not_a_number: 599 } }],
  ]);
});

it('asks glibc to give freed memory back at once, unless the environment has another value', async () => {
  const script =
    "const v = process.env.MALLOC_TRIM_THRESHOLD_; console.log(JSON.stringify({ type: 'published', version: v }))";
  expect(await run(script)).toMatchObject({ version: '131072' });
  expect(await run(script, { env: { MALLOC_TRIM_THRESHOLD_: '1000000' } })).toMatchObject({
    version: '1000000',
  });
});

it('repeats the warnings of its log, and nothing else, as warnings', async () => {
  const line = (level: string) =>
    JSON.stringify({
      timestamp: 't',
      level,
      message: `a ${level}`,
      component: 'x',
      detector: 'x',
      labels: 2,
    });
  const { log } = await run(
    `console.error('${line('warn')}');console.error('${line('info')}');console.error('a warn');${published}`,
  );
  expect(log.entries.filter(({ level }) => level === 'warn')).toEqual([
    { level: 'warn', message: 'a warn', fields: { labels: 2 } },
  ]);
});

it('runs at a lower priority', async () => {
  const { lines } = await run(
    `setTimeout(()=>{console.error('nice '+require('os').getPriority());${published}},200)`,
  );
  expect(lines).toContain(`nice ${String(Math.max(10, os.getPriority()))}`);
});

it('passes the given environment and nothing else', async () => {
  const { lines } = await run(`console.error('home '+process.env.HOME);${published}`);
  expect(lines).toContain('home undefined');
});

it.each([
  ['exit code 3', `process.exit(3)`, 'failed', /ended with exit code 3/],
  ['an exception', `throw new Error('boom in training')`, 'failed', /exit code 1/],
  ['nothing published', ``, 'failed', /without publishing a version/],
  [
    'kill -9',
    `process.kill(process.pid,'SIGKILL');${forever}`,
    'killed',
    /killed \(SIGKILL\); if memory ran out/,
  ],
  ['another signal', `process.kill(process.pid,'SIGHUP');${forever}`, 'killed', /killed \(SIGHUP\)$/],
  ['a signal reported by a shell', `process.exit(137)`, 'killed', /killed \(exit code 137\); if memory/],
  [
    'its own reason',
    `console.log(JSON.stringify({type:'failed',reason:'too_few_records',message:'12 records, 600 are needed'}));process.exitCode=1`,
    'too_few_records',
    /^12 records, 600 are needed$/,
  ],
  [
    'a reason of a newer program',
    `console.log(JSON.stringify({type:'failed',reason:'cosmic_rays',message:'a bit'}));process.exitCode=1`,
    'failed',
    /^a bit$/,
  ],
  ['a failure after it had published', `${published}process.exitCode=1`, 'failed', /exit code 1/],
])('rejects with a TrainingError on %s', async (_, script, reason, message) => {
  const { error } = await run(script);
  expect(error).toBeInstanceOf(TrainingError);
  expect(error).toMatchObject({ reason, message: expect.stringMatching(message) });
});

it('ends a process that is stopped', async () => {
  const abort = new AbortController();
  const stopped = `console.error('ready');process.kill(process.pid,'SIGSTOP');${forever}`;
  const { error } = await run(stopped, {
    signal: abort.signal,
    graceMs: 200,
    onLine: (line) => line === 'ready' && abort.abort(),
  });
  expect(error).toBeInstanceOf(TrainingError);
});

it('keeps the end of the error output for the operator', async () => {
  const { error } = await run(
    `for(let i=0;i<100;i++)console.error('line '+i);throw new Error('boom in training')`,
  );
  const tail = (error?.cause as Error).message;
  expect(tail).toContain('boom in training');
  expect(tail).not.toContain('line 50');
});

it('maps a full heap to a TrainingError', async () => {
  const { error } = await run(`const all=[];for(;;)all.push(new Array(1e5).fill({}));`, {
    nodeArgs: ['--max-old-space-size=16'],
  });
  expect(error).toBeInstanceOf(TrainingError);
  expect(error).toMatchObject({
    reason: 'killed',
    message: expect.stringMatching(/lower training\.maxRecords/),
  });
});

it('survives other output of any size, and logs a bounded part of it', async () => {
  const { version, log, lines } = (await run(
    `console.log('{"type":"progress"}');console.log('{');console.log('null');console.log('{"type":"published","version":7}');
     process.stdout.write(require('crypto').randomBytes(1e6));process.stdout.write('x'.repeat(3e6)+'\\n');
     for(let i=0;i<2000;i++)console.error('noise '+i);${published}`,
  )) as { version: string } & Awaited<ReturnType<typeof run>>;
  expect(version).toBe('v1');
  expect(lines).toContain('{"type":"progress"}');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(16_384);
  expect(log.entries.length).toBeLessThanOrEqual(501);
  expect(log.entries.at(-1)).toMatchObject({ message: 'training process wrote more lines than are logged' });
});

it('rejects when the program does not exist', async () => {
  const error = await runTrainingProcess({
    command: ['/nonexistent/vaemon'],
    env: {},
    onProgress: () => undefined,
    log: createRecordedLog(),
    signal: new AbortController().signal,
  }).catch((e: unknown) => e);
  expect(error).toMatchObject({ reason: 'failed', cause: { code: 'ENOENT' } });
});

describe('on abort', () => {
  it('starts nothing if the signal is aborted already', async () => {
    await expect(
      runTrainingProcess({
        command: ['/nonexistent/vaemon'],
        env: {},
        onProgress: () => undefined,
        log: createRecordedLog(),
        signal: AbortSignal.abort(new Error('enough')),
      }),
    ).rejects.toMatchObject({ reason: 'killed', cause: { message: 'enough' } });
  });

  it('asks the process to end', async () => {
    const abort = new AbortController();
    const { error, lines } = await run(
      `process.on('SIGTERM',()=>{console.error('bye');process.exit(1)});console.error('up');${forever}`,
      {
        signal: abort.signal,
        onLine: (line) => {
          if (line === 'up') abort.abort(new Error('enough'));
        },
      },
    );
    expect(error).toMatchObject({ reason: 'killed', cause: { message: 'enough' } });
    expect(lines).toContain('bye');
  });

  it('kills a process that ignores SIGTERM', async () => {
    const abort = new AbortController();
    const { error } = await run(`process.on('SIGTERM',()=>{});console.error('up');for(;;);`, {
      signal: abort.signal,
      graceMs: 200,
      onLine: (line) => {
        if (line === 'up') abort.abort();
      },
    });
    expect(error).toMatchObject({ reason: 'killed' });
  });

  it('returns the version of a training that had finished anyway', async () => {
    const abort = new AbortController();
    const { version } = (await run(
      `process.on('SIGTERM',()=>{${published}process.exit(0)});console.error('up');${forever}`,
      {
        signal: abort.signal,
        onLine: (line) => {
          if (line === 'up') abort.abort();
        },
      },
    )) as { version?: string };
    expect(version).toBe('v1');
  });

  it('leaves no listener on the signal after the end', async () => {
    const { signal } = new AbortController();
    const during: number[] = [];
    await run(`console.error('up');${published}`, {
      signal,
      onLine: () => during.push(getEventListeners(signal, 'abort').length),
    });
    expect(Math.max(...during)).toBe(1);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

it('does not wait for a grandchild that keeps the output open', async () => {
  const { version, lines } = (await run(
    `const c=require('child_process').spawn(process.execPath,['-e','setTimeout(()=>{},20000)'],{stdio:'inherit',detached:true});
     console.error('grandchild '+c.pid);c.unref();${published}`,
  )) as { version?: string; lines: string[] };
  process.kill(
    Number(lines.find((line) => line.startsWith('grandchild '))!.slice('grandchild '.length)),
    'SIGKILL',
  );
  expect(version).toBe('v1');
});

describe('exitWhenParentIsGone', () => {
  const guarded = `(${exitWhenParentIsGone.toString()})(()=>{process.kill(process.pid,'SIGTERM')});`;

  it('ends the process when its parent is killed', async () => {
    // The parent starts the child as runTrainingProcess does, prints its pid, and is killed.
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `const c=require('child_process').spawn(process.execPath,['-e',${JSON.stringify(guarded + forever)}],{stdio:['pipe','ignore','ignore']});console.log(c.pid);${forever}`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(chunk.toString());
    await sleep(300);
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'close');
    for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(50);
    expect(isAlive(pid)).toBe(false);
  });

  it('does not keep a finished process alive', async () => {
    const { version } = (await run(guarded + published)) as { version?: string };
    expect(version).toBe('v1');
  });
});

describe('training messages', () => {
  it('are the same after formatting and parsing', () => {
    for (const message of [
      { type: 'published', version: 'v1' },
      { type: 'failed', reason: 'diverged', message: 'two\nlines' },
      { type: 'progress', epoch: 1, epochs: 9, trainLoss: 1.5, validationLoss: NaN, secondsLeft: 3 },
    ] as const) {
      const line = formatTrainingMessage(message);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      expect(parseTrainingMessage(line)).toEqual(message);
    }
  });

  it('carry the reason of a TrainingError, and the text of anything else', () => {
    expect(failureMessage(new TrainingError('diverged', 'x'))).toEqual({
      type: 'failed',
      reason: 'diverged',
      message: 'x',
    });
    expect(failureMessage(new RangeError('y'))).toEqual({ type: 'failed', reason: 'failed', message: 'y' });
    expect(failureMessage('z')).toEqual({ type: 'failed', reason: 'failed', message: 'z' });
  });
});

/** Whether the process runs: in a container without init an ended orphan remains as a zombie. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}
