/** `vaemon mute`: keeps events of devices or channels from alarming people, for a time or in windows that recur. */
import { InvalidArgumentError } from 'commander';
import { openApi, route, urlHelp, type ApiOptions } from './api-client';
import { nameDetector } from './detector-name';
import type { Register } from './context';
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
    'mute events of a running daemon: they are kept, but not sent to sinks for people',
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
      const print = (answer: object, text: string): void =>
        void context.stdout.write(options.json === true ? jsonText(answer) : text);
      if (options.list === true) {
        const answer = await api.request('GET', '/mutes');
        print(answer, (answer['mutes'] as Mute[]).map(describe).join(''));
        return;
      }
      const detector = nameDetector(api.settings, options.detector);
      if (options.remove !== undefined) {
        const answer = await api.request('DELETE', route`/detectors/${detector}/mutes/${options.remove}`);
        print(answer, `${options.remove} is removed\n`);
        return;
      }
      const { key, channel, note, cron, timeZone, for: forMs } = options;
      if (forMs === undefined) throw new Error('--for is missing: how long, such as 8h');
      const time = cron === undefined ? { forMs } : { recurring: { cron, forMs, timeZone } };
      const wanted = { key, channel, note };
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
      const mute = await api.request('POST', route`/detectors/${detector}/mutes`, { ...given, ...time });
      print(mute, describe(mute as unknown as Mute));
    });
};

interface Mute {
  detector: string;
  id: string;
  key: string;
  channel: string;
  until: number | null;
  recurring?: { cron: string };
  inForce: boolean;
}

function describe({ detector, id, key, channel, until, recurring, inForce }: Mute): string {
  const what = `${detector}/${key === '' ? '*' : key}${channel === '' ? '' : ` ${channel}`}`;
  const end = until === null ? 'no end' : `until ${new Date(until).toISOString()}`;
  return `${id}  ${what}  ${end}${recurring ? `, cron ${recurring.cron}` : ''}${inForce ? '' : ', not in force'}\n`;
}

function readDuration(text: string): number {
  const { amount, unit } = /^(?<amount>\d+)(?<unit>[smhd])$/.exec(text)?.groups ?? {};
  if (amount === undefined || unit === undefined)
    throw new InvalidArgumentError('Expected a time such as 30m, 8h or 2d.');
  return Number(amount) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's' | 'm' | 'h' | 'd'];
}
