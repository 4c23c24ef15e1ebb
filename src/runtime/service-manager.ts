/**
 * Reports to systemd that the process is ready, alive or stopping, by the protocol of sd_notify(3), for a unit with
 * Type=notify. Node has no Unix datagram sockets, so each message is sent by the program systemd-notify, a part of systemd. The
 * unit needs NotifyAccess=all.
 */
import { spawn } from 'node:child_process';
import { firstLineOf } from '../system/error-text';
import type { Logger } from '../logger';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ServiceManagerOptions {
  /** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as set by systemd. */
  env: Environment;
  /** `ok` is false for problems that a restart can repair; `status` is one line of text. */
  report: () => { ok: boolean; status: string };
  log: Pick<Logger, 'warn'>;
  /** Sends variables such as `READY=1`. */
  send?: (variables: readonly string[], env: Environment) => Promise<void>;
}

/** Number of messages per watchdog timeout. */
const perTimeout = 3;
/** Interval of status messages without a watchdog, ms. */
const statusMs = 30_000;

/** Reports only if systemd asks for it. */
export function startServiceReports({ env, report, log, send = systemdNotify }: ServiceManagerOptions) {
  let hasFailed = false;
  let isSending = false;
  let timer: NodeJS.Timeout | undefined;

  async function tell(...variables: string[]): Promise<void> {
    isSending = true;
    try {
      await send(variables, env);
    } catch (err) {
      if (!hasFailed) log.warn('systemd cannot be notified', { err });
      hasFailed = true;
    }
    isSending = false;
  }
  function alive(): void {
    const { ok, status } = report();
    if (!isSending) void tell(`STATUS=${status}`, ...(ok ? ['WATCHDOG=1'] : []));
  }

  const isAsked = (env['NOTIFY_SOCKET'] ?? '') !== '';
  if (isAsked) {
    void tell('READY=1', `STATUS=${report().status}`);
    timer = setInterval(alive, intervalOf(env)).unref();
  }
  return {
    async stopping(): Promise<void> {
      clearInterval(timer);
      if (isAsked) await tell('STOPPING=1', 'STATUS=stopping');
    },
  };
}

/** Interval of the messages, ms. */
function intervalOf({ WATCHDOG_USEC: timeout = '', WATCHDOG_PID: pid = '' }: Environment): number {
  const isMeant = Number(timeout) > 0 && (pid === '' || Number(pid) === process.pid);
  return isMeant ? Number(timeout) / 1000 / perTimeout : statusMs;
}

function systemdNotify(variables: readonly string[], env: Environment): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('systemd-notify', variables, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(firstLineOf(output) || `exit ${code}`)),
    );
  });
}
