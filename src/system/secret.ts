/** Secrets from a setting, or from a file that is read each time, so that it can be replaced while the daemon runs. */
import { readFileSync } from 'node:fs';

/**
 * The content of the file without a line feed at its end; `given` if `file` is empty.
 * @throws Error with the file's name if it cannot be read or is empty
 */
export function readSecret(given: string, file: string): string {
  if (file === '') return given;
  const secret = readText(file).replace(/\r?\n$/, '');
  if (secret === '') throw new Error(`${file} is empty, expected a secret`);
  return secret;
}

/** @throws Error whose message contains the file and the reason, because kafkajs drops the cause */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`${file} cannot be read (${code ?? 'unknown'})`, { cause });
  }
}
