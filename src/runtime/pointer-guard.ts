/**
 * Keeps the store's pointer on the model in use while a training publishes its version, as that version may prove unusable.
 */
import type { Logger } from '../logger';
import type { ModelStore } from '../store/model-store';

/** The pointer and the versions before a training. */
export interface Before {
  current: string | undefined;
  versions: ReadonlySet<string>;
}

export function createPointerGuard(
  store: Pick<ModelStore, 'current' | 'setCurrent' | 'list'>,
  log: Pick<Logger, 'warn' | 'error'>,
) {
  return {
    async read(): Promise<Before> {
      try {
        const versions = new Set((await store.list()).map(({ version }) => version));
        return { current: await store.current(), versions };
      } catch (err) {
        // A damaged pointer must not prevent a training, whose version replaces it.
        log.warn('model store could not be read before the training', { err });
        return { current: undefined, versions: new Set<string>() };
      }
    },
    /**
     * Publishing moves the pointer. If the new version is not used, the next start must find the model in use now. If the
     * pointer was moved to an older version meanwhile, it is left there.
     */
    async restore({ current, versions }: Before): Promise<void> {
      try {
        const now = await store.current();
        if (current === undefined || now === undefined || versions.has(now)) return;
        await store.setCurrent(current);
        log.warn('model version discarded; the previous one stays in use', { version: now, current });
      } catch (err) {
        log.error('pointer could not be moved back to the previous model version', { current, err });
      }
    },
  };
}
