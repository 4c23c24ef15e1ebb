/** `vaemon label`: labels an event, for trainings, the alarm budget and new normals. */
import { Argument } from 'commander';
import type { Settings } from '../config/settings';
import { labelNames, type LabelName } from '../domain/label';
import { createLogger } from '../logger';
import { createEventFiles, eventFolder } from '../past/event-files';
import type { EventLabel } from '../past/past-event';
import { createLabelWriter } from '../runtime/label-writer';
import { byDaemonOrStore, changeStore, openApi, route, urlHelp, type ApiOptions } from './api-client';
import type { CommandContext, Register } from './context';
import { configurationCommand, jsonText } from './options';

interface LabelOptions extends ApiOptions {
  note: string;
}

export const register: Register = (program, context) => {
  configurationCommand(program, 'label', 'label an event, by the daemon or, if none runs, in the store')
    .argument('<event>', 'id of the event, as `vaemon events` prints it')
    .addArgument(new Argument('<label>', 'what it was').choices(labelNames))
    .option('--note <text>', 'why', '')
    .option('--url <url>', urlHelp)
    .option('--json', 'print the event as JSON')
    .action(async (path: string, id: string, label: LabelName, options: LabelOptions) => {
      const api = await openApi(path, options, context);
      const { note } = options;
      const event = await byDaemonOrStore(
        context,
        async () => {
          const { revision } = await api.request('GET', route`/events/${id}`);
          return api.request('POST', route`/events/${id}/label`, { label, note, revision });
        },
        () => labelStored(api.settings, context, id, { label, note, at: Date.now() }),
      );
      context.stdout.write(options.json === true ? jsonText(event) : `${id}: ${label}\n`);
    });
};

/** @throws Error if no detector has the event, or if no place for labels is configured */
async function labelStored(
  all: Settings,
  context: CommandContext,
  id: string,
  label: EventLabel,
): Promise<object> {
  const { daemon, detectors } = all;
  for (const { settings } of detectors) {
    const files = createEventFiles(eventFolder(daemon.store.path, settings.detector));
    const whole = await files.read(id);
    if (whole === undefined) continue;
    const writer = await createLabelWriter(settings, createLogger({ ...daemon.log, stream: context.stderr }));
    if (writer === undefined)
      throw new Error(
        'no place for labels is configured: set training.labels.file or training.labels.topic, so that trainings read them',
      );
    const { event } = whole;
    const revision = whole.revision + 1;
    const { key, keys = [key], start, end } = event;
    const { detector } = settings;
    await changeStore(all, context, { detector, action: 'label', id, body: label }, async () => {
      if (!(await files.addLabel(id, revision, label)))
        throw new Error('someone else has labelled the event');
      try {
        await writer.write({ id, keys, start, end, label: label.label, note: label.note });
      } catch (error) {
        await files.removeLabel(id, revision);
        throw error;
      }
    });
    return { ...event, reportedAt: whole.reportedAt, updatedAt: label.at, label, revision };
  }
  throw new Error(`there is no event ${JSON.stringify(id)} in the store`);
}
