/** What `npm start` promises a new user, on the recorded machine of data/host. */
import path from 'node:path';
import { newFolder, removeFolders } from './plant';
import { endAllVaemon, startVaemon } from './vaemon-process';

jest.setTimeout(480_000);

const config = path.join(__dirname, '../../config/demo');

afterEach(async () => {
  await endAllVaemon();
  await removeFolders();
});

test('the demo finds the known faults, keeps its false-alarm target, and retrains without a gap', async () => {
  const daemon = startVaemon(['run', '--once'], config, { 'store.path': await newFolder() });
  // A training has the lowest priority, so on a crowded machine it may take minutes.
  await daemon.ready(300_000);
  expect((await daemon.get('/healthz')).status).toBe(200);
  expect(await daemon.metric('vaemon_false_alarm_target_ratio')).toBe(0.001);
  expect(await daemon.ended).toEqual({ code: 0, signal: null });

  const summary = daemon.stdout();
  const [, found, faults] = /faults found +(\d+) of (\d+)/.exec(summary)!.map(Number);
  const [, alarms, normal] = /false alarms +(\d+) of (\d+) normal records/.exec(summary)!.map(Number);
  expect(faults).toBeGreaterThanOrEqual(12);
  // Which model is in use at which fault is always the same; how a machine rounds is not. 15 of 19 were seen.
  expect(found! / faults!).toBeGreaterThan(0.65);
  expect(normal).toBeGreaterThan(1000);
  // Far above the target of 0.001: in the last minutes of the recording the disk stalls again and again, which nobody
  // induced and hence nobody labelled. A detector that is out of tune alarms far more often than this.
  expect(alarms! / normal!).toBeLessThan(0.05);

  // That of the start, and one of 13:00 of the recording: ten minutes later in the shadow, another ten minutes later in use.
  const first = daemon.log('new model in use');
  expect(first.map(({ trigger }) => trigger)).toEqual(['start']);
  expect(daemon.log('training ended').map(({ trigger }) => trigger)).toEqual(['schedule']);
  const promoted = daemon.log('model version passed its gates: it is in use');
  expect(promoted).toMatchObject([{ before: first[0]!['version'] }]);
  expect(daemon.log().filter(({ level }) => level === 'error')).toEqual([]);
  const opened = daemon.log('event opened');
  expect(opened.length).toBeGreaterThan(0);
  for (const line of opened) {
    expect(line).toMatchObject({
      key: 'host-1',
      seen: expect.stringMatching(/once in .* normal records/),
      why: expect.stringMatching(/^\w+ \S+ \(expected \S+\)/),
    });
  }
});
