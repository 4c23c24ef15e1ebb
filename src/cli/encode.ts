/** `vaemon encode`: the latent code of each window of a detector's history, as CSV. */
import { loadSettings } from '../config/load';
import { createWindowBatch } from '../domain/window';
import { createWindowStore } from '../domain/window-store';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { createLogger } from '../logger';
import { createLatentEncoder } from '../scoring/generate';
import { configuredSource } from '../sources/sources';
import { openBackend } from '../tensor';
import type { Register } from './context';
import { csvLine } from './csv';
import { createHistory, withModel, pickDetector } from './detector';
import { setOption } from './set';

interface Options {
  set: Record<string, string>;
  detector?: string;
  modelVersion?: string;
  fileRecords?: string;
}

/** Windows that are encoded at once. */
const chunk = 512;

export const register: Register = (program, { env, stdout, stderr }) => {
  program
    .command('encode')
    .description("print the latent code of each record's window, over a detector's history, as CSV")
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .option('-d, --detector <name>', 'which detector, where there are several')
    .option('--model-version <name>', 'which model version (default: the current one)')
    .option('--file-records <n>', 'use the first n records of a file source (default: its historyRecords)')
    .addOption(setOption())
    .action(async (path: string, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      const detector = pickDetector(settings, options.detector);
      const log = createLogger({ ...settings.daemon.log, stream: stderr });
      await openBackend();
      await withModel(settings, detector, options.modelVersion, async ({ state, model }) => {
        const { decode, shape, table } = createRecordDecoder(detector);
        const encode = createLatentEncoder(state, model, table);
        const windows = createWindowStore(shape, detector.window);
        const batch = createWindowBatch(shape, chunk);
        const dims = model.latentDims;
        const names = dims.flatMap((dim, l) =>
          Array.from({ length: dim }, (_, i) => (dims.length === 1 ? `z${i + 1}` : `z${l + 1}_${i + 1}`)),
        );
        let labels: [string, string][] = [];
        let rejected = 0;

        function flush(): void {
          if (batch.count === 0) return;
          const codes = encode(batch);
          labels.forEach((label, i) => {
            stdout.write(csvLine([...label, ...codes.subarray(i * names.length, (i + 1) * names.length)]));
          });
          labels = [];
          batch.count = 0;
        }

        stdout.write(csvLine(['key', 'timestamp', ...names]));
        const readHistory = await createHistory(detector, options.fileRecords, log);
        const from = configuredSource(detector.source).bounded
          ? undefined
          : Date.now() - detector.training.historyMs;
        const range = { from, to: undefined, maxRecords: detector.training.maxRecords };
        for await (const messages of readHistory(range)) {
          const { records } = await decode(messages, Date.now());
          rejected += messages.length - records.count;
          for (let row = 0; row < records.count; row++) {
            const key = records.keys[row]!;
            const result = windows.push(key, row, records.timestamps, records.values, records.conditions);
            if (result !== 'ready') continue;
            windows.copy(key, batch);
            labels.push([key, new Date(records.timestamps[row]!).toISOString()]);
            if (batch.count === chunk) flush();
          }
        }
        flush();
        if (rejected > 0) log.warn('records that could not be used were left out', { rejected });
      });
    });
};
