/** Follows the store's pointer, so that every process that scores uses the same model version. */
import { ModelVersionError } from '../errors';
import type { Logger } from '../logger';
import type { ModelStore } from '../store/model-store';
import { messageOf } from '../system/error-text';
import { SerialQueue } from '../system/serial-queue';
import { Poll } from './poll';

export interface VersionWatchOptions<Model> {
  store: Pick<ModelStore, 'current'>;
  /** Interval at which the pointer is read, ms. */
  intervalMs: number;
  /** Version in use. */
  inUse: () => string | undefined;
  /** While true, the timer does nothing, because the model is about to change or to be released. */
  isBusy: () => boolean;
  /** Reads and verifies a version. Rejects if it must not be used. */
  load: (version: string) => Promise<Model>;
  onSwap: (model: Model) => void;
  /** Releases a model that does not come into use. */
  dispose: (model: Model) => void;
  log: Logger;
}

export function watchVersions<Model>(options: VersionWatchOptions<Model>) {
  const { store, intervalMs, inUse, isBusy, load, onSwap, dispose, log } = options;
  /** Unusable version; it is not tried again until the pointer moves. */
  let refused: string | undefined;
  /** Last error, which is logged once. */
  let failure = '';
  const queue = new SerialQueue();

  async function follow(mayFollow: () => boolean): Promise<void> {
    try {
      const version = await store.current();
      if (version === undefined || version === inUse() || version === refused || !mayFollow()) return;
      refused = undefined;
      const before = inUse();
      try {
        const model = await load(version);
        // If the version in use has changed meanwhile, it is newer than the loaded one, or a training in progress will
        // replace it.
        if (inUse() === before) {
          onSwap(model);
          log.info('model version of the store is now in use', { version });
        } else dispose(model);
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
  }

  const poll = new Poll(intervalMs, () => queue.run(() => follow(() => !isBusy())));
  return {
    /**
     * Follows the pointer unless the watch is stopped. Afterwards its version is in use or refused, or the watch is busy. Never
     * rejects.
     */
    run: () => poll.run(),
    /** Follows the pointer even while the watch is busy. Afterwards its version is in use or refused. Never rejects. */
    follow: () => queue.run(() => follow(() => true)),
    /** Stops the repetition and waits for work in progress. Idempotent. */
    async stop(): Promise<void> {
      await poll.stop();
      await queue.settled();
    },
  };
}
