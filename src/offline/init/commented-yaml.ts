/** Writes YAML for people: with comments above its keys, and an empty line between its sections. */
import { stringify } from 'yaml';
import { isObject, type JsonObject } from '../../system/json';

const lines = Symbol('lines');

/** A value with the lines of the comment above its key. */
interface Commented {
  value: unknown;
  [lines]: readonly string[];
}

export const commented = (value: unknown, comment: readonly string[]): Commented => ({
  value,
  [lines]: comment,
});

const isCommented = (value: unknown): value is Commented => isObject(value) && lines in value;

/** Prefix of a comment about a value that a person should check. */
export const doubtMark = 'CHECK: ';

export const marked = (doubts: readonly string[] = []): string[] =>
  doubts.map((text) => `${doubtMark}${text}`);

const width = 120;
const inlineWidth = 90;

/**
 * Keys without a value (undefined, or an object without keys) are left out with their comments.
 * @param doubts comments about values to check, by key such as `record.channels`
 */
export function renderYaml(
  document: object,
  doubts: Readonly<Record<string, readonly string[] | undefined>> = {},
): string {
  return entriesOf(document)
    .map((entry) => render(entry, []))
    .join('\n');

  function render([key, given]: [string, unknown], parents: readonly string[]): string {
    const path = [...parents, key];
    const indent = '  '.repeat(parents.length);
    const [value, comment] = isCommented(given) ? [given.value, given[lines]] : [given, []];
    const head = [...comment, ...marked(doubts[path.join('.')])]
      .flatMap((text) => wrap(text, width - indent.length - 2))
      .map((line) => `${indent}# ${line}\n`);
    const isOpen = isBlock(value, path.length) || (isObject(value) && hasDoubtWithin(path));
    const entries = isOpen ? entriesOf(value) : undefined;
    const content =
      entries === undefined
        ? renderValue(value, indent)
        : `\n${entries.map((entry) => render(entry, path)).join('')}`;
    return `${head.join('')}${indent}${inline(key)}:${content}`;
  }

  /** A comment needs a line of its own for the key that it is about. */
  function hasDoubtWithin(path: readonly string[]): boolean {
    return Object.entries(doubts).some(
      ([key, texts]) => texts !== undefined && key.startsWith(`${path.join('.')}.`),
    );
  }
}

/** Below the second level, an object of plain values is written in one line if it fits. */
const isBlock = (value: unknown, depth: number): value is object =>
  isObject(value) &&
  (depth <= 2 ||
    Object.values(value).some((one) => typeof one === 'object') ||
    inline(value).length > inlineWidth);

function entriesOf(section: object): [string, unknown][] {
  return Object.entries(section as JsonObject).filter(([, given]) => {
    const value = isCommented(given) ? given.value : given;
    return value !== undefined && !(isObject(value) && entriesOf(value).length === 0);
  });
}

function renderValue(value: unknown, indent: string): string {
  const flow = inline(value);
  if (!Array.isArray(value) || flow.length + indent.length < inlineWidth) return ` ${flow}\n`;
  return `\n${value.map((item) => `${indent}  - ${inline(item)}\n`).join('')}`;
}

/** Formats an object in one line, like prettier. */
function inline(value: unknown): string {
  const text = stringify(value, {
    collectionStyle: 'flow',
    lineWidth: 0,
    singleQuote: true,
    flowCollectionPadding: isObject(value),
  }).trim();
  // Text with line breaks is written as JSON, which is valid YAML in one line.
  return text.includes('\n') ? JSON.stringify(value) : text;
}

/** Removes line breaks: text from records must not end a comment. */
function wrap(text: string, most: number): string[] {
  const wrapped: string[] = [];
  let line = '';
  for (const word of text.replace(/[\p{Cc}\u2028\u2029\u0085]+/gu, ' ').split(/ (?!%)/)) {
    if (line !== '' && line.length + 1 + word.length > most) {
      wrapped.push(line);
      line = '  ';
    }
    line += line === '' || line === '  ' ? word : ` ${word}`;
  }
  return [...wrapped, line];
}
