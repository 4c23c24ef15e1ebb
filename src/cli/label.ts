/** `vaemon label`: what an event was, for trainings, the alarm budget and new normals. */
import { Argument } from 'commander';
import { labelNames } from '../domain/label';
import { openApi, route, urlHelp, type ApiOptions } from './api-client';
import type { Register } from './context';
import { configurationCommand, jsonText } from './options';

interface LabelOptions extends ApiOptions {
  note: string;
}

export const register: Register = (program, context) => {
  configurationCommand(program, 'label', 'label an event of a running daemon')
    .argument('<event>', 'id of the event, as `vaemon events` prints it')
    .addArgument(new Argument('<label>', 'what it was').choices(labelNames))
    .option('--note <text>', 'why', '')
    .option('--url <url>', urlHelp)
    .option('--json', 'print the event as JSON')
    .action(async (path: string, id: string, label: string, options: LabelOptions) => {
      const api = await openApi(path, options, context);
      const { revision } = await api.request('GET', route`/events/${id}`);
      const event = await api.request('POST', route`/events/${id}/label`, {
        label,
        note: options.note,
        revision,
      });
      context.stdout.write(options.json === true ? jsonText(event) : `${id}: ${label}\n`);
    });
};
