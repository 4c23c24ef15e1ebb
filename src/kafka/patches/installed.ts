/** Access to the internals of the installed kafkajs. */
import { createRequire } from 'node:module';

/** Internal modules of one kafkajs, by their path below `kafkajs/src`. Tests pass different ones. */
export interface KafkajsInternals {
  /** @throws Error if there is no such module */
  load(path: string): unknown;
  /** Whether a module is loaded; modules that import it keep its present exports. */
  isLoaded(path: string): boolean;
  /** Replaces the exports of a loaded module, for modules that import it later. */
  replaceExports(path: string, exports: unknown): void;
}

const load = createRequire(__filename);
const resolve = (path: string): string => load.resolve(`kafkajs/src/${path}`);

export const installedKafkajs: KafkajsInternals = {
  load: (path) => load(`kafkajs/src/${path}`) as unknown,
  isLoaded: (path) => load.cache[resolve(path)] !== undefined,
  replaceExports(path, exports) {
    load.cache[resolve(path)]!.exports = exports;
  },
};

export function kafkajsVersion(): string {
  return (load('kafkajs/package.json') as { version: string }).version;
}
