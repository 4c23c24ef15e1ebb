/** `vaemon explain`: one record of a file, and what the detector's model has to say of it. */
import { writeFile } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { alarmThreshold } from '../calibration/threshold';
import { loadSettings } from '../config/load';
import type { DetectorSettings } from '../config/settings';
import type { Detection } from '../domain/detection';
import { colourChannels, type ImageShape } from '../domain/image';
import { createLimitCheck } from '../domain/signal';
import { createWindowBatch } from '../domain/window';
import { createWindowStore } from '../domain/window-store';
import { DecodeError } from '../errors';
import { createRecordDecoder, type RecordDecoder } from '../pipeline/record-decoder';
import { createDetector, type Detector } from '../scoring/detector';
import { paintHeatMap } from '../scoring/heat-map';
import { encodeDetection } from '../sinks/kafka/messages';
import { loadSharp } from '../codecs/image/sharp';
import { createFileHistory, defaultColumns, type FileColumns } from '../sources/file/file';
import { openBackend } from '../tensor';
import type { Register } from './context';
import { pickDetector, withModel } from './detector';
import { formatExplanation } from './explain-report';
import { setOption } from './set';

interface Options {
  set: Record<string, string>;
  detector?: string;
  modelVersion?: string;
  index: number;
  json?: boolean;
  heatMap?: string;
}

function parseIndex(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected the number of a record, from 0.');
}

export const register: Register = (program, { env, stdout }) => {
  program
    .command('explain')
    .description('say what is odd about one record: the nearest normal beside it, channel by channel')
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .argument('[file]', 'records, as a file source has them (default: the file of the source)')
    .requiredOption('-i, --index <n>', 'which record of the file, from 0', parseIndex)
    .option('-d, --detector <name>', 'which detector, where there are several')
    .option('--model-version <name>', 'which model version (default: the current one)')
    .option('--json', 'print what the Kafka sink would write')
    .option('--heat-map <file>', 'of an image: write a PNG that shows where it does not fit')
    .addOption(setOption())
    .action(async (path: string, file: string | undefined, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      const picked = pickDetector(settings, options.detector);
      const from = file ?? (picked.source.kind === 'file' ? picked.source.file.path : undefined);
      if (from === undefined)
        throw new Error(`detector "${picked.detector}" does not read a file: name one with records`);
      await openBackend();
      await withModel(settings, picked, options.modelVersion, async ({ version, state, model }) => {
        const recordDecoder = createRecordDecoder(picked, 'json');
        const detector = createDetector(version, state, model, recordDecoder.table);
        if (options.heatMap !== undefined && state.image === undefined)
          throw new Error(`detector "${picked.detector}" sees no images: there is no heat map to draw`);
        const { detection, values, heat } = await explainRecord(
          picked,
          recordDecoder,
          detector,
          from,
          options.index,
        );
        if (options.heatMap !== undefined && state.image !== undefined)
          await writeFile(options.heatMap, await encodeHeatMap(values, heat, state.image));
        stdout.write(
          options.json === true
            ? `${String(encodeDetection(detection).value)}\n`
            : formatExplanation(detection),
        );
      });
    });
};

interface ExplainedRecord {
  detection: Detection;
  /** Of the window, as read. Shape [dim]. */
  values: Float64Array;
  /** What each of them adds to the reconstruction, in nats. Shape [dim]. */
  heat: Float32Array;
}

async function encodeHeatMap(values: Float64Array, heat: Float32Array, image: ImageShape): Promise<Buffer> {
  const { width, height } = image;
  const brightness = values.map((byte) => byte / 255);
  const pixels = paintHeatMap(brightness, heat, { width, height, colours: colourChannels(image) });
  const sharp = await loadSharp();
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** A file beside another source has its columns under the default names. */
function columnsOf({ source }: DetectorSettings): FileColumns {
  return source.kind === 'file' ? source.file.columns : defaultColumns;
}

/**
 * The verdict on record `index`, with the records before it in its window.
 * @throws Error when there is no such record, it cannot be used, or its window is not full
 */
async function explainRecord(
  settings: DetectorSettings,
  { decode, shape }: RecordDecoder,
  detector: Detector,
  path: string,
  index: number,
): Promise<ExplainedRecord> {
  const windows = createWindowStore(shape, settings.window);
  const readRecords = createFileHistory({ columns: columnsOf(settings), path }, index + 1);
  let count = 0;
  for await (const messages of readRecords({ from: undefined, to: undefined, maxRecords: index + 1 })) {
    const { records, rows } = await decode(messages, Date.now());
    for (const [i, message] of messages.entries()) {
      count++;
      const row = rows[i]!;
      const isWanted = Number(message.origin.offset) === index;
      const where = `record ${message.origin.offset} of ${path}`;
      if (row instanceof DecodeError) {
        if (isWanted) throw new Error(`${where} cannot be used`, { cause: row });
        continue;
      }
      const key = records.keys[row]!;
      const result = windows.push(key, row, records.timestamps, records.values, records.conditions);
      if (!isWanted) continue;
      if (result === 'not_full')
        throw new Error(`${where}: there are fewer than ${shape.length} records of key "${key}" up to it`);
      if (result !== 'ready')
        throw new Error(`${where} is not newer than the record of key "${key}" before it`);
      const batch = createWindowBatch(shape, 1);
      windows.copy(key, batch);
      const scores = await detector.score(batch);
      const limits = createLimitCheck(settings.record.channels, settings.record.signals)(
        records.values,
        row * settings.record.channels.length,
      );
      const surprise = scores.surprise[0]!;
      const { surprise: threshold } = alarmThreshold(settings.calibration.falseAlarmTarget, detector.state);
      const detection: Detection = {
        detector: settings.detector,
        key,
        timestamp: records.timestamps[row]!,
        origin: message.origin,
        surprise,
        threshold,
        anomalous: limits.length > 0 || surprise >= threshold,
        limits,
        extrapolated: scores.extrapolated[0] === 1,
        statistics: scores.statisticsOf(0),
        ...scores.explain(0),
        modelVersion: detector.version,
      };
      return { detection, values: Float64Array.from(batch.values), heat: await detector.heat(batch) };
    }
  }
  throw new Error(`${path} has ${count} records: there is no record ${index}`);
}
