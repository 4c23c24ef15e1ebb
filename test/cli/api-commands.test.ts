/** Commands on a running daemon, and on its store while none runs. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCli } from '../../src/cli/cli';
import { createTrialStore } from '../../src/store/trials';
import { createEventFiles, eventFolder } from '../../src/past/event-files';
import { removeFolders, minimalDetector, writeFolder } from '../config/folder';
import { changeToken, eventOf, play, startApi, type Started } from '../web/api/harness';
import { captureContext } from './capture';

let started: Started;
let folder: string;
let stopped: boolean;

beforeEach(async () => {
  started = await startApi();
  stopped = false;
  writeFileSync(join(started.directory, 'token'), changeToken);
  folder = await writeFolder({
    'daemon.yaml': [
      `http: { port: ${new URL(started.url).port} }`,
      `store: { path: '${started.directory}' }`,
      `api: { tokenFile: '${join(started.directory, 'token')}' }`,
      '',
    ].join('\n'),
    'detectors/plant.yaml': minimalDetector().replace(/^detector: .*$/m, 'detector: plant'),
  });
});
afterEach(async () => {
  if (!stopped) await started.stop();
  await removeFolders();
});

async function run(...argv: string[]) {
  const captured = captureContext({});
  await runCli(argv, captured.context);
  return { code: captured.exitCode(), stdout: captured.stdout(), stderr: captured.stderr() };
}

const { id } = eventOf('pump-7', 'closed');

test('events lists them, the newest last, with the id that label takes', async () => {
  play(started.past, 'pump-7');
  const { code, stdout, stderr } = await run('events', folder);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toBe(`2026-01-05T00:00:42Z  closed     pump-7: flow 9, expected 1  surprise 6.0  ${id}\n`);
  const json = await run('events', folder, '--json', '--status', 'closed', '--key', 'pump-7');
  expect(JSON.parse(json.stdout)).toMatchObject({ events: [{ id, contributions: [{ channel: 'flow' }] }] });
  expect((await run('events', folder, '--status', 'open')).stdout).toBe('');
});

test('events in a terminal are at most as wide as it, except for their ids', async () => {
  const long = { ...eventOf('pump-8', 'closed'), key: 'pump-8', detector: 'plant' };
  long.contributions = [{ ...long.contributions[0]!, channel: 'flow_of_the_secondary_cooling_circuit' }];
  started.past.report([long], []);
  play(started.past, 'pump-7');
  const printIn = async (columns: number) => {
    const captured = captureContext({});
    Object.assign(captured.context.stdout, { isTTY: true, columns });
    await runCli(['events', folder], captured.context);
    return captured.stdout();
  };
  expect(await printIn(80)).toBe(
    [
      '2026-01-05T00:00:42Z  closed     pump-8: flow_of_the_secondary_cooling_circuit …',
      `  surprise 6.0  ${long.id}`,
      '2026-01-05T00:00:42Z  closed     pump-7: flow 9, expected 1',
      `  surprise 6.0  ${id}`,
      '',
    ].join('\n'),
  );
  expect((await printIn(160)).split('\n')).toHaveLength(3);
});

test('events --follow prints events as they happen, until the daemon ends', async () => {
  const captured = captureContext({});
  const following = runCli(['events', folder, '--follow', '--json'], captured.context);
  // Each client of the stream is sent this event until one has printed it.
  while (captured.stdout() === '') {
    started.past.report([eventOf('pump-7', 'open')], []);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await started.stop();
  stopped = true;
  await following;
  const [stdout] = captured.stdout().trim().split('\n') as [string];
  expect(JSON.parse(stdout)).toMatchObject({ id, status: 'open' });
});

test('events --follow --key prints those of a device, and of a group with it', async () => {
  const captured = captureContext({});
  const following = runCli(['events', folder, '--follow', '--json', '--key', 'pump-9'], captured.context);
  const group = { kind: 'silent', keys: ['pump-8', 'pump-9'], contributions: [] } as const;
  while (captured.stdout() === '') {
    started.past.report([eventOf('pump-7', 'open'), eventOf('pump-8', 'open', group)], []);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await started.stop();
  stopped = true;
  await following;
  const keys = captured
    .stdout()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { key: string }).key);
  expect(new Set(keys)).toEqual(new Set(['pump-8']));
});

test('label labels an event, again as well', async () => {
  play(started.past, 'pump-7');
  expect(await run('label', folder, id, 'normal', '--note', 'cleaning')).toMatchObject({
    code: 0,
    stdout: `${id}: normal\n`,
  });
  expect(await run('label', folder, id, 'anomaly')).toMatchObject({ code: 0 });
  expect(started.past.event(id)).toMatchObject({ revision: 2, label: { label: 'anomaly' } });
  expect((await run('events', folder)).stdout).toContain('(anomaly)');
  expect(await run('label', folder, 'nothing', 'anomaly')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no event "nothing"') as string,
  });
  expect(await run('label', folder, id, 'odd')).toMatchObject({ code: 64 });
});

test('mute mutes, lists and removes', async () => {
  play(started.past, 'pump-7', 0, 10);
  expect((await run('mute', folder, '--key', 'pump-7', '--for', '8h', '--note', 'cleaning')).code).toBe(0);
  await run('mute', folder, '--cron', '0 2 * * 0', '--for', '2h', '--time-zone', 'Europe/Berlin');
  const [first, second] = started.mutes.list();
  expect(second).toMatchObject({ key: '', until: null, recurring: { cron: '0 2 * * 0', forMs: 7_200_000 } });
  expect((await run('mute', folder, '--list')).stdout).toBe(
    `${first!.id}  plant/pump-7  until 2026-01-05T08:00:00.000Z, in force\n${second!.id}  plant/*  no end, cron 0 2 * * 0 for 120 min, Europe/Berlin, next 2026-01-11T01:00:00.000Z\n`,
  );
  expect((await run('mute', folder, '--remove', first!.id)).stdout).toContain('is removed');
  expect(started.mutes.list()).toEqual([second]);
  expect(await run('mute', folder, '--for', 'long')).toMatchObject({ code: 64 });
  expect(await run('mute', folder)).toMatchObject({ code: 1 });
});

describe.each(['by the daemon', 'in the store while none runs'])('versions, %s', (how) => {
  const first = '20260101T000000.000Z';

  test('are listed, shown, rolled back, pinned and unpinned', async () => {
    const second = await started.store.publish(new Map([['report.json', Buffer.from('{"epochs":3}')]]), {});
    const { store, told } = started;
    if (how.startsWith('in')) {
      // Another address: there no daemon answers.
      writeFileSync(
        join(folder, 'daemon.yaml'),
        `http: { port: 1 }\nstore: { path: '${started.directory}' }\n`,
      );
    }
    const versions = (...argv: string[]) => run('versions', argv[0]!, folder, ...argv.slice(1));
    expect((await versions('list')).stdout).toBe(`${second}  current\n${first}\n`);
    expect(JSON.parse((await versions('show', second)).stdout)).toEqual({
      version: second,
      report: { epochs: 3 },
    });
    expect((await versions('rollback')).stdout).toBe(`${second}\n${first}  current\n`);
    expect(await versions('rollback')).toMatchObject({ code: 1 });
    expect((await versions('pin', second)).stdout).toBe(`${second}  current  pinned\n${first}\n`);
    expect(await store.pinned()).toBe(second);
    const unpinned = await versions('unpin', '--json');
    expect(JSON.parse(unpinned.stdout)).toMatchObject({ versions: [{ pinned: false }, {}] });
    expect(await versions('use', '20250101T000000.000Z')).toMatchObject({ code: 1 });
    if (how.startsWith('in'))
      expect(started.audited()).toMatchObject([
        { by: 'command', detector: 'plant', action: 'use', version: first, process: process.pid },
        { done: true },
        { action: 'pin', version: second },
        { done: true },
        { action: 'unpin' },
        { done: true },
        { action: 'use', version: '20250101T000000.000Z' },
        { done: false },
      ]);
    expect(told.used).toEqual(
      how.startsWith('in')
        ? []
        : [
            [first, false],
            [second, true],
          ],
    );
    expect(unpinned.stderr).toBe(
      how.startsWith('in') ? 'no daemon answers: the command works on the store\n' : '',
    );
  });
});

describe('in the store while no daemon runs', () => {
  let labels: string;
  beforeEach(async () => {
    play(started.past, 'pump-7');
    await started.past.save();
    labels = join(started.directory, 'offline-labels.csv');
    // There no daemon answers.
    writeFileSync(
      join(folder, 'daemon.yaml'),
      `http: { port: 1 }\nstore: { path: '${started.directory}' }\n`,
    );
  });

  const withLabels = (): string[] => ['-s', `training.labels.file=${labels}`];

  test('events are listed, but not followed', async () => {
    const { stdout, stderr } = await run('events', folder);
    expect(stdout).toContain(id);
    expect(stderr).toContain('no daemon answers');
    expect(JSON.parse((await run('events', folder, '--json')).stdout)).toMatchObject({
      events: [{ id, revision: 0, reportedAt: expect.any(Number) as number }],
    });
    expect((await run('events', folder, '--status', 'open')).stdout).toBe('');
    expect(await run('events', folder, '--follow')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no daemon answers at http://127.0.0.1:1') as string,
    });
  });

  test('an event is labelled where trainings read labels, and the next daemon knows it', async () => {
    const labelled = await run(
      'label',
      folder,
      id,
      'normal',
      '--note',
      'cleaning',
      '--json',
      ...withLabels(),
    );
    expect(labelled).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('no daemon answers') as string,
    });
    expect(JSON.parse(labelled.stdout)).toMatchObject({ id, revision: 1, label: { label: 'normal' } });
    await run('label', folder, id, 'anomaly', ...withLabels());
    expect(readFileSync(labels, 'utf8').trim().split('\n')).toEqual([
      'start,end,key,label,note',
      '2026-01-05T00:00:40.000Z,2026-01-05T00:00:59.000Z,pump-7,normal,cleaning',
      '2026-01-05T00:00:40.000Z,2026-01-05T00:00:59.000Z,pump-7,anomaly,',
    ]);
    const stored = createEventFiles(eventFolder(started.directory, 'plant'));
    const { records, channels, ...past } = (await stored.read(id))!;
    expect(past).toMatchObject({ revision: 2, label: { label: 'anomaly' }, event: { status: 'closed' } });
    expect([records.timestamps.length, channels]).toEqual([expect.any(Number), ['flow', 'power']]);
    expect(records.timestamps.length).toBeGreaterThan(40);
    expect((await run('events', folder)).stdout).toContain('(anomaly)');
    expect(started.audited()).toMatchObject([
      { by: 'command', action: 'label', id, body: { label: 'normal', note: 'cleaning' } },
      { done: true },
      { action: 'label', id, body: { label: 'anomaly' } },
      { done: true },
    ]);
  });

  test('nothing is changed where the audit log cannot be written', async () => {
    mkdirSync(join(started.directory, 'audit.log'));
    const refused = { code: 1, stderr: expect.stringContaining('the audit log cannot be written') as string };
    expect(await run('label', folder, id, 'normal', ...withLabels())).toMatchObject(refused);
    expect(await run('mute', folder, '--key', 'pump-7', '--for', '8h')).toMatchObject(refused);
    expect((await run('events', folder)).stdout).not.toContain('(normal)');
    expect((await run('mute', folder, '--list')).stdout).toBe('');
  });

  test('a label that is not possible is refused, with what to do', async () => {
    expect(await run('label', folder, 'nothing', 'anomaly', ...withLabels())).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no event "nothing" in the store') as string,
    });
    expect(await run('label', folder, id, 'anomaly')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('training.labels.file') as string,
    });
    expect((await run('events', folder)).stdout).not.toContain('(anomaly)');
  });

  test('mutes are added, listed and removed, and a running daemon follows them', async () => {
    const added = await run('mute', folder, '--key', 'pump-7', '--for', '8h', '--json');
    expect(JSON.parse(added.stdout)).toMatchObject({ detector: 'plant', key: 'pump-7', inForce: true });
    await run('mute', folder, '--cron', '0 2 * * 0', '--for', '2h');
    await started.mutes.refresh();
    const [first, second] = started.mutes.list();
    expect([first, second]).toMatchObject([
      { key: 'pump-7', channel: '' },
      { key: '', until: null },
    ]);
    const listed = JSON.parse((await run('mute', folder, '--list', '--json')).stdout) as { mutes: object[] };
    expect(listed.mutes).toHaveLength(2);
    expect((await run('mute', folder, '--list')).stdout).toContain(`${first!.id}  plant/pump-7  until `);
    expect((await run('mute', folder, '--remove', first!.id)).stdout).toContain('is removed');
    await started.mutes.refresh();
    expect(started.mutes.list()).toEqual([second]);
    expect(await run('mute', folder, '--remove', first!.id)).toMatchObject({ code: 1 });
    expect(started.audited()).toMatchObject([
      { by: 'command', detector: 'plant', action: 'mute', body: { key: 'pump-7' } },
      { done: true },
      { action: 'mute', body: { recurring: { cron: '0 2 * * 0' } } },
      { done: true },
      { action: 'unmute', id: first!.id },
      { done: true },
      { action: 'unmute' },
      { done: false },
    ]);
    expect(await run('mute', folder, '--cron', 'x', '--for', '2h')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('recurring.cron') as string,
    });
  });

  test('a damaged mute is named, and stays as it is', async () => {
    const path = join(started.directory, 'plant', 'mutes', `${randomUUID()}.json`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '[{');
    const { code, stderr } = await run('mute', folder, '--key', 'pump-7', '--for', '8h');
    expect(code).toBe(0);
    expect(stderr).toContain(`mutes are unreadable: they are not in force: ${path}`);
    expect(readFileSync(path, 'utf8')).toBe('[{');
  });

  test('the mutes of a recording need its time, and so the daemon', async () => {
    const recorded = [
      '-s',
      'source.kind=file',
      '-s',
      'source.file.path=x.csv',
      '-s',
      'source.file.rate=60',
      '-s',
      'source.file.clock=records',
    ];
    expect(await run('mute', folder, '--key', 'pump-7', '--for', '8h', ...recorded)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('mutes of a replayed recording') as string,
    });
  });
});

describe.each(['by the daemon', 'in the store while none runs'])('a version on trial, %s', (how) => {
  const first = '20260101T000000.000Z';

  test('is listed, compared, skipped by a rollback, and promoted', async () => {
    const files = new Map([['report.json', Buffer.from('{"epochs":3}')]]);
    const second = await started.store.publish(files, {}, { onTrial: true });
    const third = await started.store.publish(files, {}, { onTrial: true });
    if (how.startsWith('in'))
      writeFileSync(
        join(folder, 'daemon.yaml'),
        `http: { port: 1 }\nstore: { path: '${started.directory}' }\n`,
      );
    const trials = createTrialStore(started.directory, 'plant');
    const trial = { before: first, since: 1, changedAt: 1, by: 'gates' } as const;
    const gates = [{ gate: 'power', passed: false, text: 'blind' } as const];
    const versions = (...argv: string[]) => run('versions', argv[0]!, folder, ...argv.slice(1));
    expect(await versions('promote')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no version on trial') as string,
    });
    await trials.put({ version: second, state: 'refused', gates, ...trial });
    await trials.put({ version: third, state: 'shadow', gates: [], ...trial });
    const states = `${third}  shadow\n${second}  refused\n${first}  current\n`;
    expect((await versions('list')).stdout).toBe(states);
    expect((await versions('compare', first, second)).stdout).toBe(
      `${second}  refused, compared with ${first}\n  failed  power: blind\nreport.epochs  12  →  3\n`,
    );
    const compared = await versions('compare', second, third, '--json');
    expect(JSON.parse(compared.stdout)).toMatchObject({ versions: [{}, {}], differences: [] });
    expect(await versions('compare', first, '20250101T000000.000Z')).toMatchObject({ code: 1 });

    expect((await versions('promote')).stdout).toContain(`${third}  current  kept\n`);
    // The one that failed a gate is not what a rollback leads to.
    expect((await versions('rollback')).stdout).toContain(`${first}  current`);
    expect((await versions('promote', second)).stdout).toContain(`${second}  current  kept\n`);
    expect(await versions('promote', second)).toMatchObject({ code: 1 });
  });
});
