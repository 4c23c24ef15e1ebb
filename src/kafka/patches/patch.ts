/** One correction of kafkajs: it replaces an internal that looks as expected, and leaves any other alone. */
import type { KafkajsInternals } from './installed';

export interface Patch {
  /** Name of the patch, in logs. */
  name: string;
  /** What depends on it: `offsets` = with every delivery, which offsets are committed; `safety` = with every producer. */
  neededFor: 'exactly-once' | 'offsets' | 'safety' | 'efficiency';
  /** What happens without it, as a sentence for logs and errors. */
  without: string;
  /** Returns whether kafkajs is patched now; a second call changes nothing. Throws where a module is missing. */
  apply(kafkajs: KafkajsInternals): boolean;
}

export interface MethodReplacement<Class> {
  /** Module that exports the class. */
  path: string;
  name: keyof Class & string;
  replacement: (this: Class, ...args: never[]) => unknown;
  /** Text in the source of the method that the patch was written for; a method without it is not replaced. */
  mentions: readonly string[];
  /** Methods that the replacement calls. */
  needs?: readonly (keyof Class & string)[];
}

/** Replaces a method of a class of kafkajs; returns false if the method or one that it needs is not as expected. */
export function replaceMethod<Class>(
  kafkajs: KafkajsInternals,
  { path, name, replacement, mentions, needs = [] }: MethodReplacement<Class>,
): boolean {
  const { prototype } = kafkajs.load(path) as { prototype?: Record<string, unknown> };
  const original = prototype?.[name];
  if (original === replacement) return true;
  const isKnown =
    typeof original === 'function' &&
    needs.every((needed) => typeof prototype?.[needed] === 'function') &&
    mentions.every((mention) => original.toString().includes(mention));
  if (prototype === undefined || !isKnown) return false;
  prototype[name] = replacement;
  return true;
}
