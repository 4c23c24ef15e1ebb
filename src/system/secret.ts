/** Secrets: from the environment, or from a file that is read anew each time, so that they can be exchanged under way. */
import { readFileSync } from 'node:fs';

/**
 * The secret that a file holds, less a line feed at its end; without a file the one that is given.
 * @throws Error that names the file, when it cannot be read or is empty
 */
export function readSecret(given: string, file: string): string {
  if (file === '') return given;
  const secret = readText(file).replace(/\r?\n$/, '');
  if (secret === '') throw new Error(`${file} is empty: a secret was expected`);
  return secret;
}

/** @throws Error that names the file, and says in itself why: kafkajs hands no cause on */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`${file} cannot be read (${code ?? 'unknown'})`, { cause });
  }
}
