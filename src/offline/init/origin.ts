/** Where a sample comes from. */

export interface FileOrigin {
  kind: 'file';
  path: string;
}

export interface TopicOrigin {
  kind: 'kafka';
  brokers: readonly string[];
  topic: string;
  /** URL of the schema registry; empty = none. */
  registry: string;
  /** Further keys of `source.kafka`, with dots, such as `tls.enabled`. */
  connection: Readonly<Record<string, string>>;
}

export type SampleOrigin = FileOrigin | TopicOrigin;

export const titleOf = (origin: SampleOrigin): string =>
  origin.kind === 'file' ? origin.path : `topic ${origin.topic}`;

/** Topic of the records that a detector of a topic rejects. */
export const deadLetterTopic = (topic: string): string => `${topic}.dead-letters`;

/** `source.kafka` as a file has it. */
export function kafkaSection({ brokers, topic, registry, connection }: TopicOrigin): Record<string, unknown> {
  const section: Record<string, unknown> = { brokers: [...brokers], topic };
  if (registry !== '') section['registry'] = { url: registry };
  for (const [key, value] of Object.entries(connection)) {
    const steps = key.split('.');
    const last = steps.pop()!;
    let at = section;
    for (const step of steps) at = (at[step] ??= {}) as Record<string, unknown>;
    at[last] = value === 'true' ? true : value === 'false' ? false : value;
  }
  return section;
}
