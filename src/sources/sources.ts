/** Every kind of source by its `source.kind`. To add a source, write its folder and one line here. */
import { fileSource } from './file/spec';
import { kafkaSource } from './kafka/spec';
import { prometheusSource } from './prometheus/spec';
import { stdinSource } from './stdin/spec';
import type { AnySourceSpec } from './spec';

export const sources = {
  file: fileSource,
  kafka: kafkaSource,
  prometheus: prometheusSource,
  stdin: stdinSource,
} as const satisfies Record<string, AnySourceSpec>;

export type SourceKind = keyof typeof sources;
