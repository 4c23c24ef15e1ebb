/** Text of a thrown value, which may be any value. */

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The first line of the message: libraries append traces and advice to theirs. */
export function firstLineOf(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]!;
}

/** The message, with the messages of all causes that it does not contain: `cannot connect ← connect ECONNREFUSED`. */
export function errorChain(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  const inner = [
    ...(error instanceof AggregateError ? (error.errors as unknown[]) : []),
    ...(error.cause === undefined ? [] : [error.cause]),
  ];
  const own = error.message === '' ? error.name : error.message;
  if (depth >= 8) return own;
  const chains = inner
    .map((one) => errorChain(one, depth + 1))
    .filter((chain) => !own.endsWith(`: ${chain}`));
  return chains.length === 0 ? own : `${own} ← ${chains.join('; ')}`;
}

/** The thrown value as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
