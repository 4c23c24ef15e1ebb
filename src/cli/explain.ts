/** `vaemon explain`: the detection of one record of a file, with the nearest normal window. */
import { writeFile } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { loadSettings } from '../config/load';
import { drawHeatMap } from '../offline/explain/heat-map';
import { explainRecord } from '../offline/explain/explain';
import { formatExplanation } from '../offline/explain/report';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { openEngines } from '../runtime/engines';
import { decodeBundle } from '../scoring/bundle';
import { encodeDetection } from '../sinks/kafka/messages';
import type { Register } from './context';
import { pickDetector, readVersion } from './detector';
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
    .description('explain one record: compare it, channel by channel, with the nearest normal')
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .argument('[file]', 'file with records, as for a file source (default: the file of the source)')
    .requiredOption('-i, --index <n>', 'number of the record in the file, from 0', parseIndex)
    .option('-d, --detector <name>', 'name of the detector, if there are several')
    .option('--model-version <name>', 'model version (default: the current one)')
    .option('--json', 'print the detection as the Kafka sink writes it')
    .option('--heat-map <file>', 'for an image: write a PNG that shows where it does not fit the model')
    .addOption(setOption())
    .action(async (path: string, file: string | undefined, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      const picked = pickDetector(settings, options.detector);
      const from = file ?? (picked.source.kind === 'file' ? picked.source.file.path : undefined);
      if (from === undefined)
        throw new Error(`detector "${picked.detector}" does not read a file: name a file with records`);
      const { version, files } = await readVersion(settings, picked, options.modelVersion);
      const recordDecoder = createRecordDecoder(picked, 'json');
      const engines = await openEngines(settings.daemon.engine);
      const detector = await decodeBundle(version, files, recordDecoder.table, engines.openScoring);
      try {
        const { image } = detector.state;
        if (options.heatMap !== undefined && image === undefined)
          throw new Error(`detector "${picked.detector}" has no images, so it has no heat maps`);
        const { detection, window } = await explainRecord({
          settings: picked,
          recordDecoder,
          detector,
          path: from,
          index: options.index,
        });
        if (options.heatMap !== undefined && image !== undefined)
          await writeFile(options.heatMap, await drawHeatMap(detector, window, image));
        stdout.write(
          options.json === true
            ? `${String(encodeDetection(detection).value)}\n`
            : formatExplanation(detection),
        );
      } finally {
        detector.dispose();
        await engines.close();
      }
    });
};
