/** Text of a thrown value, which need not be an Error. */

/** The error's own message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The first line of the message: libraries append traces and advice to theirs. */
export function firstLineOf(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]!;
}

/** The message with those of all causes: `cannot connect ← connect ECONNREFUSED`. */
export function errorChain(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  const inner = [
    ...(error instanceof AggregateError ? (error.errors as unknown[]) : []),
    ...(error.cause === undefined ? [] : [error.cause]),
  ];
  const own = error.message === '' ? error.name : error.message;
  return inner.length === 0 || depth >= 8
    ? own
    : `${own} ← ${inner.map((one) => errorChain(one, depth + 1)).join('; ')}`;
}

/** The thrown value as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
