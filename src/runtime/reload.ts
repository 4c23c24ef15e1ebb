/**
 * Hot reload: follows the files of the configuration by a hash of their contents, which works for files, links and the swapped
 * links of a Kubernetes ConfigMap on every file system. A changed configuration is read completely, compared with the settings
 * in force, checked by every detector, and then applied by all of them in one turn of the event loop.
 */
import { compareSettings } from '../config/changes';
import type { Settings } from '../config/settings';
import type { Logger } from '../logger';
import type { ConfigurationMetrics } from '../metrics/configuration';
import { Poll } from './poll';

export interface ConfigurationFiles {
  /** Hash of the files as they are now. */
  hash: () => Promise<string>;
  /** Reads and checks the files. @throws ConfigError with every problem */
  load: () => Promise<Settings>;
  /** Hash of the files from which the settings in force were loaded. */
  loadedHash: string;
}

export interface ReloadOptions {
  files: ConfigurationFiles;
  /** Settings in force at the start. */
  settings: Settings;
  /** 0 = only on demand. */
  intervalMs: number;
  /**
   * Checks the settings against the running detectors.
   * @returns a function that applies them synchronously
   * @throws Error if they cannot be applied
   */
  prepare: (settings: Settings) => () => void;
  metrics: ConfigurationMetrics;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Unix ms. */
  now?: () => number;
}

export type Reload = ReturnType<typeof createReload>;

export function createReload(options: ReloadOptions) {
  const { files, prepare, metrics, log, intervalMs, now = Date.now } = options;
  let inForce = options.settings;
  /** Hash of the files that were read last. */
  let seen = files.loadedHash;
  /** Hash of changed files. They are read once the hash stays the same, as a file may be half written. */
  let changed: string | undefined;
  let inTurn = Promise.resolve();
  metrics.loaded(seen, now(), 0);

  async function look(): Promise<void> {
    const found = await files.hash();
    if (found === seen) changed = undefined;
    else if (found !== changed) changed = found;
    else await read(found);
  }

  async function read(hash: string): Promise<void> {
    seen = hash;
    changed = undefined;
    try {
      const { settings, applied, restart } = compareSettings(inForce, await files.load());
      prepare(settings)();
      inForce = settings;
      metrics.loaded(hash, now(), restart.length);
      if (applied.length > 0) log.info('configuration reloaded', { keys: applied });
      else if (restart.length === 0) log.info('configuration read again: no change');
      if (restart.length > 0)
        log.warn('the configuration has changes that need a restart', { keys: restart });
    } catch (err) {
      metrics.failed();
      log.error('the changed configuration cannot be used: the previous one stays in force', { err });
    }
  }

  /** Runs work one after the other. Never rejects. */
  function next(work: () => Promise<void>): Promise<void> {
    inTurn = inTurn
      .then(work)
      .catch((err: unknown) => log.error('changes of the configuration files cannot be detected', { err }));
    return inTurn;
  }

  const poll = intervalMs === 0 ? undefined : new Poll(intervalMs, () => next(look));
  return {
    /** Checks whether the files have changed, and reads them if so. */
    look: (): Promise<void> => next(look),
    /** Reads the files now, whether or not they have changed. */
    now: (): Promise<void> => next(async () => read(await files.hash())),
    settings: (): Settings => inForce,
    async stop(): Promise<void> {
      await poll?.stop();
      await inTurn;
    },
  };
}
