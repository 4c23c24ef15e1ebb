/** Follows the pointer of the store: whoever has moved it, every process that scores comes to the same model version. */
import { ModelVersionError } from '../errors';
import type { ModelStore } from '../store/bundle';
import type { LifecycleLog } from './log';

export interface VersionWatchOptions<Model> {
  detector: string;
  store: Pick<ModelStore, 'current'>;
  /** How often the pointer is read, ms. */
  intervalMs: number;
  /** The version in use. */
  inUse: () => string | undefined;
  /** While this holds someone else sees to it. */
  isBusy: () => boolean;
  /** Reads and verifies a version. Rejects when it must not be used. */
  load: (version: string) => Promise<Model>;
  onSwap: (model: Model, version: string) => void;
  log: LifecycleLog;
}

export interface VersionWatch {
  /** Looks now; resolves when what was found is in use, or refused. Never rejects. */
  look(): Promise<void>;
  /** Looks no more, and waits for what is under way. Idempotent. */
  stop(): Promise<void>;
}

/** Looks again and again from now on. */
export function watchVersions<Model>(options: VersionWatchOptions<Model>): VersionWatch {
  const { detector, store, intervalMs, inUse, isBusy, load, onSwap, log } = options;
  let stopped = false;
  let underWay: Promise<void> | undefined;
  /** A version that can never be used; the pointer has to move before there is anything to try. */
  let refused: string | undefined;
  let failure = '';

  async function follow(): Promise<void> {
    try {
      const version = await store.current();
      if (version === undefined || version === inUse() || version === refused || isBusy()) return;
      refused = undefined;
      try {
        const model = await load(version);
        // A training of our own that has begun meanwhile ends with a version of its own.
        onSwap(model, version);
        log.info('model version of the store in use', { detector, version });
      } catch (error) {
        if (error instanceof ModelVersionError) refused = version;
        throw error;
      }
      failure = '';
    } catch (err) {
      // Said once: a store that is away is asked again with every look.
      const text = String(err);
      if (text !== failure) log.error('model version of the store cannot be used', { detector, err });
      failure = text;
    }
  }

  function look(): Promise<void> {
    if (stopped) return Promise.resolve();
    return (underWay ??= follow().finally(() => (underWay = undefined)));
  }

  const timer = setInterval(() => void look(), intervalMs);
  timer.unref();
  return {
    look,
    async stop() {
      stopped = true;
      clearInterval(timer);
      await underWay;
    },
  };
}
