/** The unit as systemd-analyze checks it, and the messages that a daemon sends to systemd, received by a socket of the test. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from './kafka/broker';
import { endAllVaemon, startVaemon } from './vaemon-process';

jest.setTimeout(180_000);

const root = path.join(__dirname, '../..');
const unit = path.join(root, 'deploy/systemd/vaemon.service');
// Counted as skipped where it is not installed; .ci/run installs it.
const withSystemd = spawnSync('systemd-analyze', ['--version']).status === 0 ? describe : describe.skip;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'vaemon-systemd-'));
});

afterEach(async () => {
  await endAllVaemon();
  rmSync(folder, { recursive: true, force: true });
});

function analyze(...args: string[]) {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

withSystemd('the unit of systemd', () => {
  test('is valid', () => {
    const copy = path.join(folder, 'vaemon.service');
    // The program need not be installed here.
    writeFileSync(copy, readFileSync(unit, 'utf8').replace('/usr/bin/vaemon', process.execPath));
    expect(analyze('verify', '--man=no', copy)).toEqual({ status: 0, output: '' });
  });

  test('is exposed by 2.0 of 10 at most', () => {
    const { status, output } = analyze('security', '--offline=true', '--threshold=20', unit);
    expect({ status, output }).toEqual({
      status: 0,
      output: expect.stringMatching(/exposure level.*: [01]\.\d OK/),
    });
  });

  test('gets the messages of a daemon: ready, alive, stopping', async () => {
    const socket = path.join(folder, 'notify');
    const receive = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(s.recv(65536).decode().replace("\\n", " "), flush=True)`;
    const receiver = spawn('python3', ['-c', receive, socket]);
    let received = '';
    receiver.stdout.on('data', (text: Buffer) => (received += text.toString()));
    try {
      await until('the socket', () => received.includes('bound'));
      const daemon = startVaemon(
        ['run'],
        path.join(root, 'config/demo'),
        { 'store.path': folder, 'training.epochs': 1 },
        { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '600000' },
      );
      await until('a sign of life', () => received.includes('WATCHDOG=1'), 120_000);
      expect(received).toMatch(/READY=1 STATUS=host: /);
      await daemon.signal('SIGTERM');
      await until('the last message', () => received.includes('STOPPING=1'));
      expect(daemon.log('systemd cannot be notified')).toEqual([]);
    } finally {
      receiver.kill('SIGKILL');
    }
  });
});
