/** A patch of kafkajs: it replaces an internal function that has the expected form, and leaves any other unchanged. */
import type { KafkajsInternals } from './installed';

export interface Patch {
  /** Name of the patch, in logs. */
  name: string;
  /**
   * The guarantee that depends on the patch: `offsets` = with every kind of delivery, the offsets that are committed; `safety`
   * = with every producer.
   */
  neededFor: 'exactly-once' | 'offsets' | 'safety' | 'efficiency';
  /** The consequence of its absence, as a sentence for logs and errors. */
  without: string;
  /** Applies the patch; a second call has no effect. Returns whether kafkajs is patched now. Throws if a module is missing. */
  apply(kafkajs: KafkajsInternals): boolean;
}

export interface MethodReplacement<Class> {
  /** Module that exports the class. */
  path: string;
  name: keyof Class & string;
  replacement: (this: Class, ...args: never[]) => unknown;
  /** Texts in the source of the method for which the patch was written. A method that lacks one is not replaced. */
  mentions: readonly string[];
  /** Methods that the replacement calls. */
  needs?: readonly (keyof Class & string)[];
}

/**
 * Replaces a method of a class of kafkajs. Returns false if that method, or one that it needs, does not have the expected form.
 */
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
