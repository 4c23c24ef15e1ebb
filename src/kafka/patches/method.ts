/** Puts a method of ours in the place of one inside kafkajs, where kafkajs still is what we know. */
import { createRequire } from 'node:module';

export interface Method<Class> {
  /** Of the module that exports the class, below `kafkajs/src`. */
  path: string;
  name: keyof Class & string;
  replacement: (this: Class, ...args: never[]) => unknown;
  /** What the text of the method is known to mention. */
  mentions: readonly string[];
  /** Methods that the replacement calls. */
  needs?: readonly (keyof Class & string)[];
}

/** Leaves a kafkajs alone whose inside looks different, and says so. A second time changes nothing. */
export function replaceMethod<Class>(method: Method<Class>): 'patched' | 'unknown' {
  const { path, name, replacement, mentions, needs = [] } = method;
  let prototype: Record<string, unknown> | undefined;
  try {
    ({ prototype } = createRequire(__filename)(`kafkajs/src/${path}`) as { prototype?: typeof prototype });
  } catch {
    return 'unknown';
  }
  const original = prototype?.[name];
  if (original === replacement) return 'patched';
  const isKnown =
    typeof original === 'function' &&
    needs.every((needed) => typeof prototype?.[needed] === 'function') &&
    mentions.every((mention) => original.toString().includes(mention));
  if (prototype === undefined || !isKnown) return 'unknown';
  prototype[name] = replacement;
  return 'patched';
}
