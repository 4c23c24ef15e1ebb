/** A real Alertmanager for tests, with the deployed routes, and a receiver that keeps the notifications. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { freePort, until } from './prometheus-server';

const program = 'prometheus-alertmanager';
const deployed = path.join(__dirname, '../../deploy/prometheus/alertmanager.yml');

/** As Alertmanager posts it to a webhook. */
export interface Notification {
  status: 'firing' | 'resolved';
  groupLabels: Record<string, string>;
  alerts: {
    status: 'firing' | 'resolved';
    labels: Record<string, string>;
    annotations: Record<string, string>;
  }[];
}

export interface AlertmanagerServer {
  /** `host:port` */
  address: string;
  url: string;
  /** So far, in order. */
  notifications: readonly Notification[];
  stop(): Promise<void>;
}

/** Whether Alertmanager is installed. */
export function hasAlertmanager(): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Starts it with deploy/prometheus/alertmanager.yml, the receiver and the times apart, and waits until it answers. */
export async function startAlertmanager(port?: number): Promise<AlertmanagerServer> {
  const notifications: Notification[] = [];
  const receiver = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      notifications.push(JSON.parse(Buffer.concat(parts).toString()) as Notification);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => receiver.once('listening', resolve));

  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-alertmanager-'));
  const config = parse(readFileSync(deployed, 'utf8')) as {
    route: Record<string, unknown>;
    receivers: { name: string; webhook_configs?: unknown[] }[];
  };
  Object.assign(config.route, { group_wait: '1s', group_interval: '1s' });
  const target = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  config.receivers[0]!.webhook_configs = [{ url: target, send_resolved: true }];
  writeFileSync(path.join(folder, 'alertmanager.yml'), stringify(config));

  const address = `127.0.0.1:${port ?? (await freePort())}`;
  const url = `http://${address}`;
  const child = spawn(
    program,
    [
      `--config.file=${path.join(folder, 'alertmanager.yml')}`,
      `--storage.path=${folder}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const server: AlertmanagerServer = {
    address,
    url,
    notifications,
    async stop() {
      child.kill('SIGTERM');
      await exited;
      receiver.closeAllConnections();
      await new Promise((resolve) => receiver.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended:\n${log}`);
    return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
  }).catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  return server;
}
