/** The origin of a sample. */
import type { NamedQuery } from '../../sources/prometheus/client';

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
  /** Other keys of `source.kafka`, with dots, such as `tls.enabled`. */
  connection: Readonly<Record<string, string>>;
}

export interface PrometheusOrigin {
  kind: 'prometheus';
  url: string;
  /** Queries by name. */
  queries: readonly NamedQuery[];
  /** Other keys of `source.prometheus`, with dots. */
  connection: Readonly<Record<string, string>>;
}

export type SampleOrigin = FileOrigin | TopicOrigin | PrometheusOrigin;

export function titleOf(origin: SampleOrigin): string {
  if (origin.kind === 'file') return origin.path;
  return origin.kind === 'kafka' ? `topic ${origin.topic}` : `Prometheus at ${new URL(origin.url).host}`;
}

/** Default name of the topic for detections and events of a topic. */
export const detectionsTopic = (topic: string): string => `${topic}.detections`;

/** Default name of the topic for records that the detector rejects. */
export const deadLetterTopic = (topic: string): string => `${topic}.dead-letters`;

/** The section `source.kafka` as written in a file. */
export function kafkaSection({ brokers, topic, registry, connection }: TopicOrigin): Record<string, unknown> {
  const section: Record<string, unknown> = { brokers: [...brokers], topic };
  if (registry !== '') section['registry'] = { url: registry };
  return withConnection(section, connection);
}

/** Adds settings whose keys contain dots to a section. */
export function withConnection(
  section: Record<string, unknown>,
  connection: Readonly<Record<string, string>>,
): Record<string, unknown> {
  for (const [key, value] of Object.entries(connection)) {
    const steps = key.split('.');
    const last = steps.pop()!;
    let at = section;
    for (const step of steps) at = (at[step] ??= {}) as Record<string, unknown>;
    at[last] = value === 'true' ? true : value === 'false' ? false : value;
  }
  return section;
}
