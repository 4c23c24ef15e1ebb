/** Finds the series that a PromQL expression reads. */

const aggregations =
  'sum|min|max|avg|group|stddev|stdvar|count|count_values|bottomk|topk|quantile|limitk|limit_ratio';
const operators = 'and|or|unless|bool|offset|atan2|inf|nan';
const token = new RegExp(
  [
    // Matches comments, texts, durations and numbers, which contain no selectors.
    String.raw`#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|${'`[^`]*`'}|\[[^\]]*\]|\d[\w.]*`,
    // Matches the labels by which series are grouped or matched.
    String.raw`\b(?:by|without|on|ignoring|group_left|group_right)\b\s*(?:\([^)]*\))?`,
    // Matches a name, and its label matchers.
    String.raw`(?<selector>(?<name>[A-Za-z_:][\w:]*)?\s*\{(?:[^"'{}]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')*\})`,
    String.raw`(?<word>[A-Za-z_:][\w:]*)(?<call>\s*\()?`,
  ].join('|'),
  'gi',
);
const keyword = new RegExp(`^(${aggregations}|${operators})$`, 'i');

/**
 * Distinct selectors such as `cpu_seconds_total{mode="idle"}`. For an expression that cannot be parsed, those that were found.
 */
export function selectorsOf(query: string): string[] {
  const found = [...query.matchAll(token)].flatMap(({ groups = {} }) => {
    const { selector, word, call } = groups;
    if (selector !== undefined) return [selector.trim()];
    return word === undefined || call !== undefined || keyword.test(word) ? [] : [word];
  });
  return [...new Set(found)];
}
