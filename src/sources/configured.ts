/** The section `source` of a configuration, composed from the list of sources, and the source that it selects. */
import { variants } from '../schema/formats';
import type { Parsed, Section } from '../schema/key';
import { rulesOf, type Rule } from '../schema/rule';
import { sources, type SourceKind } from './sources';
import type { AnySourceSpec, HistoryContext, RecordScope, SourceContext } from './spec';

type Sections = { [Kind in SourceKind]: (typeof sources)[Kind]['section'] };

const specs: readonly [string, AnySourceSpec][] = Object.entries(sources);

/** Section `source`: the kind, and a section for each kind. */
export const sourceSection = variants(
  {
    doc: `Where records come from. ${specs.map(([kind, { doc }]) => `\`${kind}\`: ${doc}`).join(' ')}`,
  },
  Object.fromEntries(specs.map(([kind, { section }]): [string, Section] => [kind, section])) as Sections,
);

export type SourceSettings = Parsed<typeof sourceSection>;

/** The settings of the configured kind. */
const ownSettings = (source: SourceSettings): object =>
  (source as unknown as Record<string, object>)[source.kind]!;

export const sourceRules: readonly Rule<RecordScope & { source: SourceSettings }>[] = specs.flatMap(
  ([kind, { rules }]) =>
    rulesOf<object, RecordScope & { source: SourceSettings }>(
      `source.${kind}`,
      rules,
      ({ source }) => (source.kind === kind ? ownSettings(source) : undefined),
      ['source.kind'],
    ),
);

/** The source of a detector: the specification of its kind together with its settings. */
export function configuredSource(source: SourceSettings) {
  const spec: AnySourceSpec = sources[source.kind];
  const own = ownSettings(source);
  return {
    bounded: spec.bounded,
    topic: spec.topic(own),
    state: spec.state?.(own),
    replayRate: spec.replayRate?.(own),
    knownFaults: () => spec.knownFaults?.(own),
    create: (context: SourceContext) => spec.create(own, context),
    createHistory: (context: HistoryContext) => spec.createHistory(own, context),
  };
}

export type ConfiguredSource = ReturnType<typeof configuredSource>;

/** Fills in settings whose defaults depend on the name of the detector. */
export function completeSource(source: SourceSettings, detector: string): SourceSettings {
  const spec: AnySourceSpec = sources[source.kind];
  if (spec.complete === undefined) return source;
  // Safe: `complete` keeps the kind and its keys.
  return { kind: source.kind, [source.kind]: spec.complete(ownSettings(source), detector) } as SourceSettings;
}
