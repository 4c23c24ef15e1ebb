/** The daemon's way of a record in this process, without a broker. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { createRecordDecoder } = dist('pipeline/record-decoder');
const { createOfflinePipeline } = dist('offline/pipeline');
const { decodeBundle } = dist('scoring/bundle');

/** Surprise of what is seen once in a thousand normal records. */
const threshold = 3;

/**
 * Loads a version, and makes pipelines for it: each with windows of its own and a sink that gets what comes of a batch.
 */
export async function loadDetector(settings, engines, files) {
  const recordDecoder = createRecordDecoder(settings);
  const detector = await decodeBundle('bench', files, recordDecoder.table, engines.openScoring);
  const active = { detector, threshold };
  return {
    engine: detector.engine,
    recordDecoder,
    createHandle: (onOutcome, anomaliesOnly = true, states = undefined) =>
      createOfflinePipeline({
        settings,
        recordDecoder,
        current: () => active,
        onOutcome,
        anomaliesOnly,
        ...(states && { states }),
      }),
  };
}
