/** `vaemon encode`: the latent code of each window of a detector's history, as CSV. */
import { encodeHistory } from '../offline/encode';
import { logLeftOut } from '../runtime/history-account';
import { configuredSource } from '../sources/configured';
import type { Register } from './context';
import { withModel } from './detector';
import { fileRecordsOption, modelCommand, type DetectorOptions } from './options';

export const register: Register = (program, context) => {
  modelCommand(
    program,
    'encode',
    "print the latent code of each record's window, over a detector's history, as CSV",
  )
    .addOption(fileRecordsOption())
    .action((path: string, options: DetectorOptions) =>
      withModel(path, options, context, async ({ detector, log, state, model }) => {
        const source = configuredSource(detector.source);
        const readHistory = await source.createHistory({
          log,
          folder: '',
          records: options.fileRecords,
          timestampFormat: detector.fields.timestampFormat,
          timeZone: detector.fields.timeZone,
        });
        const write = (line: string): void => void context.stdout.write(line);
        const account = await encodeHistory({ settings: detector, state, model, readHistory, write });
        logLeftOut(log, account.summary());
      }),
    );
};
