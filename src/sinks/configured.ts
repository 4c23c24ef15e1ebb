/** The section `sinks` of a configuration, composed from the list of sinks, and the sinks that a configuration enables. */
import type { Parsed, Section } from '../schema/key';
import { rulesOf, type Rule } from '../schema/rule';
import { sinks } from './sinks';
import type { AnySinkSpec, CreatedSink, SinkContext, SinkScope } from './spec';

type Sections = { [Name in keyof typeof sinks]: (typeof sinks)[Name]['section'] };

const specs: readonly [string, AnySinkSpec][] = Object.entries(sinks);

/** Section `sinks`: one section per sink. */
export const sinksSection = Object.fromEntries(
  specs.map(([name, { section }]): [string, Section] => [name, section]),
) as Sections;

export type SinkSettings = Parsed<typeof sinksSection>;

const ownSettings = (settings: SinkSettings, name: string): object =>
  (settings as unknown as Record<string, object>)[name]!;

export const sinkRules: readonly Rule<SinkScope & { sinks: SinkSettings }>[] = specs.flatMap(
  ([name, { rules }]) =>
    rulesOf<object, SinkScope & { sinks: SinkSettings }>(`sinks.${name}`, rules, (settings) =>
      ownSettings(settings.sinks, name),
    ),
);

/** Creates the sinks that the settings enable. */
export async function createConfiguredSinks(
  settings: SinkSettings,
  context: SinkContext,
): Promise<CreatedSink<SinkSettings>[]> {
  const created: CreatedSink<SinkSettings>[] = [];
  for (const [name, spec] of specs) {
    const sink = await spec.create(ownSettings(settings, name), context);
    if (sink === undefined) continue;
    created.push({ ...sink, reload: (next) => sink.reload?.(ownSettings(next, name)) });
  }
  return created;
}
