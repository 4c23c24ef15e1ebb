/** Writes the latent codes of the windows of a history as CSV. */
import type { DetectorSettings } from '../config/settings';
import { createWindowStore } from '../domain/window-store';
import type { Model } from '../models/model';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { createVersionBatch, type VersionState } from '../scoring/version-state';
import { createLatentEncoder } from '../scoring/generate';
import { HistoryAccount } from '../runtime/history-account';
import type { ReadHistory } from '../sources/history';
import { configuredSource } from '../sources/configured';
import { csvLine } from './csv';

export interface EncodeParts {
  settings: DetectorSettings;
  state: VersionState;
  model: Model;
  readHistory: ReadHistory;
  write: (line: string) => void;
}

/** Number of windows per call of the encoder. */
const chunk = 512;

/** Writes one line per full window. Returns an account of the records that were left out. */
export async function encodeHistory(parts: EncodeParts): Promise<HistoryAccount> {
  const { settings, state, model, readHistory, write } = parts;
  const { source, training, window } = settings;
  const { decode, shape, table } = createRecordDecoder(settings);
  const encode = createLatentEncoder(state, model, table);
  const windows = createWindowStore(shape, window);
  const batch = createVersionBatch(state, chunk);
  const names = latentNames(model.latentDims);
  let labels: [key: string, time: string][] = [];
  const account = new HistoryAccount(settings);

  function flush(): void {
    if (batch.count === 0) return;
    const codes = encode(batch);
    labels.forEach((label, i) =>
      write(csvLine([...label, ...codes.subarray(i * names.length, (i + 1) * names.length)])),
    );
    labels = [];
    batch.count = 0;
  }

  write(csvLine(['key', 'timestamp', ...names]));
  const from = configuredSource(source).bounded ? undefined : Date.now() - training.historyMs;
  for await (const messages of readHistory({ from, to: undefined, maxRecords: training.maxRecords })) {
    const { records, rows } = await decode(messages, Date.now());
    account.read(
      rows,
      messages.map(({ origin }) => origin),
    );
    for (let row = 0; row < records.count; row++) {
      const key = records.keys[row]!;
      const result = windows.push(key, row, records.timestamps, records.values, records.conditions);
      if (result === 'duplicate' || result === 'out_of_order')
        account.leftOut(result, key, records.timestamps[row]!);
      if (result !== 'ready') continue;
      windows.copy(key, batch);
      labels.push([key, new Date(records.timestamps[row]!).toISOString()]);
      if (batch.count === chunk) flush();
    }
  }
  flush();
  return account;
}

/** Column names: `z1`, `z2`, … or, with several levels, `z<level>_<dimension>`. */
function latentNames(dims: readonly number[]): string[] {
  return dims.flatMap((dim, l) =>
    Array.from({ length: dim }, (_, i) => (dims.length === 1 ? `z${i + 1}` : `z${l + 1}_${i + 1}`)),
  );
}
