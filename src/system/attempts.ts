import { messageOf } from './error-text';

/**
 * Runs work that is repeated. A failure is reported once, until the work succeeds or fails for another reason. The promise
 * never rejects.
 */
export function createAttempts(
  report: (error: unknown) => void,
): (work: () => Promise<unknown>) => Promise<void> {
  let failure = '';
  return async (work) => {
    try {
      await work();
      failure = '';
    } catch (error) {
      const text = messageOf(error);
      if (text !== failure) report(error);
      failure = text;
    }
  };
}
