/** Lines of text from a stream. */
import type { Readable } from 'node:stream';

/**
 * The lines, without their ends and without a byte-order mark. node:readline is not used, as it does not pass on the error of
 * its input.
 * @param checkRest called with the beginning of an unfinished line; may throw
 */
export async function* readLines(
  bytes: Readable,
  checkRest: (rest: string) => void = () => undefined,
): AsyncGenerator<string> {
  let rest: string | undefined;
  for await (const chunk of bytes.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest === undefined ? chunk.replace(/^\ufeff/, '') : rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? '';
    checkRest(rest);
    yield* lines;
  }
  yield rest ?? '';
}
