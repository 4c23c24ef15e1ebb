/**
 * Runs `task` for each item, at most `limit` at a time. Returns the results in the order of the items. After the first failure
 * no further task starts; the signal of running tasks is aborted, and the promise rejects after they have ended.
 */
export async function runConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  task: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const abort = new AbortController();
  let next = 0;
  async function work(): Promise<void> {
    while (next < items.length && !abort.signal.aborted) {
      const i = next++;
      results[i] = await task(items[i]!, abort.signal);
    }
  }
  const workers = Array.from({ length: Math.min(limit, items.length) }, () =>
    work().catch((error: unknown) => {
      if (!abort.signal.aborted) abort.abort(error);
    }),
  );
  await Promise.all(workers);
  abort.signal.throwIfAborted();
  return results;
}
