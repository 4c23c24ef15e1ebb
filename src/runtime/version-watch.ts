/** Follows the pointer of the store, so that every process that scores uses the same model version. */
import { ModelVersionError } from '../errors';
import type { Logger } from '../logger';
import type { ModelStore } from '../store/model-store';
import { messageOf } from '../system/error-text';
import { Poll } from './poll';

export interface VersionWatchOptions<Model> {
  store: Pick<ModelStore, 'current'>;
  /** Interval at which the pointer is read, ms. */
  intervalMs: number;
  /** Version in use. */
  inUse: () => string | undefined;
  /** While true, the watch does nothing: the model is about to change or to be released. */
  isBusy: () => boolean;
  /** Reads and verifies a version. Rejects if it must not be used. */
  load: (version: string) => Promise<Model>;
  onSwap: (model: Model) => void;
  log: Logger;
}

/** Each run reads the pointer; afterwards its version is in use or refused. */
export function watchVersions<Model>(options: VersionWatchOptions<Model>): Poll {
  const { store, intervalMs, inUse, isBusy, load, onSwap, log } = options;
  /** Unusable version: not tried again until the pointer moves. */
  let refused: string | undefined;
  /** Last error, which is logged once. */
  let failure = '';

  return new Poll(intervalMs, async () => {
    try {
      const version = await store.current();
      if (version === undefined || version === inUse() || version === refused || isBusy()) return;
      refused = undefined;
      try {
        const model = await load(version);
        // A training that has started in the meantime will replace it.
        onSwap(model);
        log.info('model version of the store in use', { version });
      } catch (error) {
        if (error instanceof ModelVersionError) refused = version;
        throw error;
      }
      failure = '';
    } catch (err) {
      const text = messageOf(err);
      if (text !== failure) log.error('model version of the store is unusable', { err });
      failure = text;
    }
  });
}
