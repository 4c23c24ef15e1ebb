/** `vaemon mute`: mutes events of devices or channels, for a time or in recurring windows. */
import { InvalidArgumentError } from 'commander';
import type { Settings } from '../config/settings';
import { muteStatus, type Mute as StoredMute, type MuteStatus } from '../domain/mute';
import { openMutes } from '../past/mutes';
import { parseDuration } from '../schema/durations';
import { configuredSource } from '../sources/configured';
import { readMute, type MuteRequest } from '../web/api/routes/changes';
import { byDaemonOrStore, changeStore, openApi, route, urlHelp, type ApiOptions } from './api-client';
import { nameDetector } from './detector-name';
import type { CommandContext, Register } from './context';
import { detectorCommand, jsonText } from './options';

interface MuteOptions extends ApiOptions {
  key?: string;
  channel?: string;
  for?: number;
  cron?: string;
  timeZone: string;
  note?: string;
  remove?: string;
  list?: boolean;
}

export const register: Register = (program, context) => {
  detectorCommand(
    program,
    'mute',
    'mute events, by the daemon or, if none runs, in the store: they are kept, but not sent to sinks for people',
  )
    .option('--key <device>', 'events of this device (default: of all)')
    .option('--channel <name>', 'events in which this channel ranks first (default: all)')
    .option(
      '--for <time>',
      'how long, such as 30m, 8h or 2d; with --cron the length of each window',
      readDuration,
    )
    .option('--cron <pattern>', 'windows that recur: when each begins')
    .option('--time-zone <name>', 'time zone of the pattern', 'UTC')
    .option('--note <text>', 'why')
    .option('--list', 'list the mutes')
    .option('--remove <id>', 'remove a mute')
    .option('--url <url>', urlHelp)
    .option('--json', 'print as JSON')
    .action(async (path: string, options: MuteOptions) => {
      const api = await openApi(path, options, context);
      const { stdout } = context;
      if (options.list === true) {
        const mutes = await byDaemonOrStore(
          context,
          async () => (await api.request('GET', '/mutes'))['mutes'] as Mute[],
          () => listStored(api.settings, context),
        );
        stdout.write(options.json === true ? jsonText({ mutes }) : mutes.map(describe).join(''));
        return;
      }
      const detector = nameDetector(api.settings, options.detector);
      const { remove: id } = options;
      if (id !== undefined) {
        await byDaemonOrStore(
          context,
          () => api.request('DELETE', route`/detectors/${detector}/mutes/${id}`).then(() => undefined),
          () => removeStored(api.settings, context, detector, id),
        );
        stdout.write(options.json === true ? jsonText({ removed: id }) : `${id} is removed\n`);
        return;
      }
      const wanted = readRequest(options);
      const mute = await byDaemonOrStore(
        context,
        async () =>
          (await api.request('POST', route`/detectors/${detector}/mutes`, wanted)) as unknown as Mute,
        () => addStored(api.settings, context, detector, wanted),
      );
      stdout.write(options.json === true ? jsonText(mute) : describe(mute));
    });
};

interface Mute extends StoredMute, MuteStatus {
  detector: string;
}

function readRequest({ key, channel, note, cron, timeZone, for: forMs }: MuteOptions): MuteRequest {
  if (forMs === undefined) throw new Error('--for is missing: how long, such as 8h');
  const time = cron === undefined ? { forMs } : { recurring: { cron, forMs, timeZone } };
  const given = Object.entries({ key, channel, note }).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), ...time };
}

function openStored(
  settings: Settings,
  { stderr }: CommandContext,
  detector: string,
): ReturnType<typeof openMutes> {
  return openMutes({
    directory: settings.daemon.store.path,
    detector,
    now: Date.now,
    reported: () => undefined,
    log: {
      error: (message, { reason }) => stderr.write(`${message}: ${String(reason)}\n`),
    },
  });
}

async function listStored(settings: Settings, context: CommandContext): Promise<Mute[]> {
  const all: Mute[] = [];
  for (const { settings: one } of settings.detectors) {
    const { detector } = one;
    const mutes = await openStored(settings, context, detector);
    all.push(...mutes.list().map((mute) => ({ detector, ...mute, ...muteStatus(mute, Date.now()) })));
  }
  return all;
}

async function addStored(
  settings: Settings,
  context: CommandContext,
  detector: string,
  request: MuteRequest,
): Promise<Mute> {
  const { source } = settings.detectors.find((one) => one.settings.detector === detector)!.settings;
  if (configuredSource(source).replayRate !== undefined)
    throw new Error('mutes of a replayed recording follow its times, which only the daemon has: start it');
  const mutes = await openStored(settings, context, detector);
  const entry = { detector, action: 'mute', body: request };
  const mute = await changeStore(settings, context, entry, () => mutes.add(readMute(request, Date.now())));
  return { detector, ...mute, ...muteStatus(mute, Date.now()) };
}

async function removeStored(
  settings: Settings,
  context: CommandContext,
  detector: string,
  id: string,
): Promise<void> {
  const mutes = await openStored(settings, context, detector);
  await changeStore(settings, context, { detector, action: 'unmute', id }, async () => {
    if (!(await mutes.remove(id))) throw new Error('there is no such mute; it may have been removed');
  });
}

function describe({ detector, id, key, channel, until, recurring, inForce, next }: Mute): string {
  const what = `${detector}/${key === '' ? '*' : key}${channel === '' ? '' : ` ${channel}`}`;
  const end = until === null ? 'no end' : `until ${new Date(until).toISOString()}`;
  const windows = recurring
    ? `, cron ${recurring.cron} for ${recurring.forMs / 60_000} min, ${recurring.timeZone}`
    : '';
  const state = inForce ? 'in force' : next === undefined ? 'over' : `next ${new Date(next).toISOString()}`;
  return `${id}  ${what}  ${end}${windows}, ${state}\n`;
}

function readDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Expected a time such as 30m, 8h or 2d.');
  return ms;
}
