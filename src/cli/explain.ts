/** `vaemon explain`: the detection of one record of a file, with the nearest normal window. */
import { writeFile } from 'node:fs/promises';
import { drawHeatMap } from '../offline/explain/heat-map';
import { explainRecord } from '../offline/explain/explain';
import { formatExplanation } from '../offline/explain/report';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { openEngines } from '../runtime/engines';
import { decodeBundle } from '../scoring/bundle';
import { encodeDetection } from '../sinks/kafka/messages';
import type { Register } from './context';
import { openDetector, readVersion } from './detector';
import { modelCommand, wholeFrom, type DetectorOptions } from './options';

interface Options extends DetectorOptions {
  index: number;
  heatMap?: string;
}

export const register: Register = (program, context) => {
  modelCommand(
    program,
    'explain',
    'explain one record: compare it, channel by channel, with the nearest normal',
  )
    .argument('[file]', 'file with records, as for a file source (default: the file of the source)')
    .requiredOption('-i, --index <n>', 'number of the record in the file, from 0', wholeFrom(0))
    .option('--json', 'print the detection as the Kafka sink writes it')
    .option('--heat-map <file>', 'for an image: write a PNG that shows where it does not fit the model')
    .action(async (path: string, file: string | undefined, options: Options) => {
      const opened = await openDetector(path, options, context);
      const { settings, detector: picked } = opened;
      const from = file ?? (picked.source.kind === 'file' ? picked.source.file.path : undefined);
      if (from === undefined)
        throw new Error(`detector "${picked.detector}" does not read a file: name a file with records`);
      const { version, files } = await readVersion(opened, options.modelVersion);
      const recordDecoder = createRecordDecoder(picked, { format: 'json' });
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
        context.stdout.write(
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
