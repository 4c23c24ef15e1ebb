/** CPU and log lines of an idle daemon. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { newFolder, removeFolders, writeConfig } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import { startBroker } from './broker';
import type { TestBroker } from './broker';
import { createFeed } from './feed';
import { groupOf, plantSettings } from './outcomes';
import { untilCommitted } from './readings';

let broker: TestBroker;
const idleSeconds = 20;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterAll(async () => {
  await endAllVaemon();
  await broker.remove();
  await removeFolders();
});

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Share of a core: below 0.01 on an idle machine; more if others use the machine. */
const mostIdle = 0.05;

/** CPU time of all threads of a process, s (Linux). */
function cpuSeconds(pid: number): number {
  // The name of the program, in brackets, may contain spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

test('an idle daemon uses little CPU, logs nothing, and reports its last fetch', async () => {
  const config = await writeConfig();
  const feed = await createFeed(broker);
  await feed.produceNormal(200);
  await feed.close();
  const settings = await plantSettings(broker, feed.topic, await newFolder());
  const daemon = startVaemon(['run'], config, settings);
  await daemon.ready();
  await untilCommitted(broker.client(), groupOf(settings));
  // The last save of state, garbage of the training, and compilation.
  await pause(20);

  const lines = daemon.log().length;
  let share = Infinity;
  // A daemon that works without need does so in each interval; what others on the machine take differs.
  for (let interval = 0; interval < 3 && share >= mostIdle; interval++) {
    const before = cpuSeconds(daemon.pid);
    const began = performance.now();
    await pause(idleSeconds);
    share = (cpuSeconds(daemon.pid) - before) / ((performance.now() - began) / 1000);
    process.stdout.write(`idle: ${(100 * share).toFixed(2)} % of a core over ${idleSeconds} s\n`);
  }
  expect(share).toBeLessThan(mostIdle);
  expect(daemon.log().slice(lines)).toEqual([]);
  expect(daemon.stderr()).not.toMatch(/Warning/);
  const fetched = await daemon.metric('vaemon_source_last_fetch_timestamp_seconds');
  expect(Date.now() / 1000 - fetched).toBeLessThan(5);
  expect(await daemon.metric('vaemon_source_connected')).toBe(1);
  expect(await daemon.metric('vaemon_ready')).toBe(1);
  expect(await daemon.metric('vaemon_source_restarts_total')).toBe(0);

  await broker.stop();
  await pause(3);
  // During an outage of the broker it retries with pauses and does not fill the log.
  const away = { cpu: cpuSeconds(daemon.pid), lines: daemon.log().length };
  await pause(10);
  const trying = (cpuSeconds(daemon.pid) - away.cpu) / 10;
  process.stdout.write(`without a broker: ${(100 * trying).toFixed(2)} % of a core\n`);
  expect(trying).toBeLessThan(0.2);
  expect(daemon.log().length - away.lines).toBeLessThan(60);
  expect(await daemon.metric('vaemon_source_connected')).toBe(0);
  expect(await daemon.metric('vaemon_ready')).toBe(0);
  expect(await daemon.metric('vaemon_source_restarts_total', { reason: 'unreachable' })).toBeGreaterThan(0);
  expect(daemon.stderr()).not.toMatch(/Warning/);
}, 180_000);
