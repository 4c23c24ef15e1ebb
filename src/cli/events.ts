/** `vaemon events`: the events that a daemon keeps, or without a daemon, those in the store. */
import type { Command } from 'commander';
import type { AnomalyEvent } from '../domain/event';
import { createEventFiles, eventFolder } from '../past/event-files';
import { summarize } from '../sinks/notification/describe';
import { isObject } from '../system/json';
import { printable } from '../system/printable';
import { describeEvent } from '../web/api/routes/events';
import { byDaemonOrStore, openApi, urlHelp, type ApiClient, type ApiOptions } from './api-client';
import type { LogStream } from '../logger';
import type { CommandContext, Register } from './context';
import { detectorCommand, jsonText, wholeFrom } from './options';

interface EventsOptions extends ApiOptions {
  follow?: boolean;
  status?: string;
  key?: string;
  limit: number;
}

/** The parts of an event that the command prints. */
type Shown = AnomalyEvent & { label?: { label: string } };

export const register: Register = (program: Command, context) => {
  detectorCommand(program, 'events', 'list the newest events, of the daemon or, if none runs, of the store')
    .option('--status <status>', 'only open, closed or held_back events')
    .option('--key <device>', 'only events of this device')
    .option('-n, --limit <n>', 'number of events', wholeFrom(1), 20)
    .option('-f, --follow', 'continue with events as they happen')
    .option('--url <url>', urlHelp)
    .option('--json', 'print as JSON; with --follow one object per line')
    .action((path: string, options: EventsOptions) => listEvents(path, options, context));
};

async function listEvents(path: string, options: EventsOptions, context: CommandContext): Promise<void> {
  const { stdout } = context;
  const { json = false, follow = false } = options;
  const api = await openApi(path, options, context);
  const fromDaemon = async (): Promise<Shown[]> => {
    const { detector, status, key, limit } = options;
    const wanted = Object.entries({ detector, status, key, limit: String(limit) });
    const given = wanted.filter((one): one is [string, string] => one[1] !== undefined);
    return (await api.request('GET', `/events?${new URLSearchParams(given).toString()}`))['events'] as never;
  };
  // Opened before the list is read, so that no event is missed in between.
  const stream = follow ? await api.stream('/events/stream') : undefined;
  // Without a daemon no events arrive.
  const events = follow
    ? await fromDaemon()
    : await byDaemonOrStore(context, fromDaemon, () => readStored(api, options));
  const print = (event: Shown): void =>
    void stdout.write(json ? `${JSON.stringify(event)}\n` : `${describe(event, widthOf(stdout))}\n`);
  if (json && !follow) stdout.write(jsonText({ events }));
  else events.toReversed().forEach(print);
  if (stream !== undefined) await followEvents(stream, options, print);
}

function isWanted(event: Shown, { detector, status, key }: EventsOptions): boolean {
  return (
    (detector ?? event.detector) === event.detector &&
    (status ?? event.status) === event.status &&
    (key === undefined || (event.keys ?? [event.key]).includes(key))
  );
}

async function readStored({ settings }: ApiClient, options: EventsOptions): Promise<Shown[]> {
  const { detector, limit } = options;
  const all: Shown[] = [];
  for (const { settings: one } of settings.detectors) {
    if (detector !== undefined && detector !== one.detector) continue;
    const folder = eventFolder(settings.daemon.store.path, one.detector);
    const stored = await createEventFiles(folder).readAll(() => undefined);
    all.push(...stored.map(describeEvent));
  }
  return all
    .filter((event) => isWanted(event, options))
    .sort((a, b) => b.openedAt - a.openedAt)
    .slice(0, limit);
}

/** Prints events until the daemon ends the stream. */
async function followEvents(
  stream: ReadableStream<Uint8Array>,
  options: EventsOptions,
  print: (event: Shown) => void,
): Promise<void> {
  let rest = '';
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const messages = (rest + chunk).split('\n\n');
    rest = messages.pop()!;
    for (const data of messages.flatMap((message) => /^data: (.*)$/m.exec(message)?.[1] ?? [])) {
      const event: unknown = JSON.parse(data);
      if (isObject(event) && isWanted(event as unknown as Shown, options)) print(event as unknown as Shown);
    }
  }
}

/** Columns of a terminal; other output has lines of any length, so that each event is one line. */
function widthOf({ isTTY = false, columns = 80 }: LogStream): number {
  return isTTY ? columns : Infinity;
}

/**
 * Time, state, summary and surprise of the event, and its id for `vaemon label`. If they do not fit into `width` columns, the
 * surprise begins a second line, and a long summary is cut. The id is always whole.
 */
function describe(event: Shown, width: number): string {
  const { openedAt, status, peakSurprise, muted, label, id } = event;
  const marks = [muted === true ? 'muted' : '', label?.label ?? ''].filter(Boolean).join(', ');
  const time = `${new Date(openedAt).toISOString().slice(0, 19)}Z`;
  const what = printable([time, status.padEnd(9), summarize(event)].join('  '));
  const rest = printable(
    [`surprise ${peakSurprise.toFixed(1)}`, ...(marks === '' ? [] : [`(${marks})`]), id].join('  '),
  );
  const line = `${what}  ${rest}`;
  if (line.length <= width) return line;
  return `${what.length <= width ? what : `${what.slice(0, width - 1)}…`}\n  ${rest}`;
}
