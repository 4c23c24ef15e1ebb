/** A condition on several keys. */
export interface Rule<S> {
  /** Keys that the rule reads. It is skipped if one of them is invalid by itself. A problem is reported at the first key. */
  keys: readonly string[];
  /** Returns the problem, or undefined. */
  problem(settings: S): string | undefined;
}

/** A rule of one section, such as a source. It may also read keys elsewhere in the document. */
export interface SectionRule<Own, Whole = unknown> {
  /** Names of keys within the section. A problem is reported at the first one. */
  keys: readonly [string, ...string[]];
  /** Dotted keys outside of the section. */
  beside?: readonly string[];
  problem(own: Own, whole: Whole): string | undefined;
}

/**
 * The rules of a section as rules of the whole document.
 * @param path dotted key of the section
 * @param find returns the settings of the section; undefined if it is not in use, so that its rules do not apply
 * @param decisive keys that decide whether it is in use
 */
export function rulesOf<Own, Whole>(
  path: string,
  rules: readonly SectionRule<Own, Whole>[],
  find: (settings: Whole) => Own | undefined,
  decisive: readonly string[] = [],
): Rule<Whole>[] {
  return rules.map((rule) => ({
    keys: [...rule.keys.map((name) => `${path}.${name}`), ...(rule.beside ?? []), ...decisive],
    problem(settings) {
      const own = find(settings);
      return own === undefined ? undefined : rule.problem(own, settings);
    },
  }));
}
