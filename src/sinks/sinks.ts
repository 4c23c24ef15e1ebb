/** Every kind of sink by its name under `sinks`. To add a sink, write its file or folder and one line here. */
import { fileSink } from './file/spec';
import { kafkaSink } from './kafka/spec';
import { logSink } from './log';
import type { AnySinkSpec } from './spec';

export const sinks = {
  log: logSink,
  kafka: kafkaSink,
  file: fileSink,
} as const satisfies Record<string, AnySinkSpec>;
