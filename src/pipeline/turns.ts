/** Runs tasks of the same name one after the other, in the order of their submission, and others concurrently. */
export function createTurns(): (name: string, task: () => Promise<void>) => Promise<void> {
  const last = new Map<string, Promise<void>>();
  return (name, task) => {
    const before = last.get(name);
    const done = before === undefined ? task() : before.then(task);
    const ended = done
      .catch(() => undefined)
      .finally(() => {
        if (last.get(name) === ended) last.delete(name);
      });
    last.set(name, ended);
    return done;
  };
}
