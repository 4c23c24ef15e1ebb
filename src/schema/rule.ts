/** What must hold between keys. */
export interface Rule<S> {
  /** Keys that the rule reads; it is not tried while one of them is wrong by itself. The first is the one reported. */
  keys: readonly string[];
  /** What is wrong, or undefined. */
  problem(settings: S): string | undefined;
}
