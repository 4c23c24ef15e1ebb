/** The series that a PromQL expression reads. */

const aggregations =
  'sum|min|max|avg|group|stddev|stdvar|count|count_values|bottomk|topk|quantile|limitk|limit_ratio';
const operators = 'and|or|unless|bool|offset|atan2|inf|nan';
const token = new RegExp(
  [
    // Comments, texts, durations and numbers.
    String.raw`#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|${'`[^`]*`'}|\[[^\]]*\]|\d[\w.]*`,
    // Labels by which series are grouped or matched.
    String.raw`\b(?:by|without|on|ignoring|group_left|group_right)\b\s*(?:\([^)]*\))?`,
    // A name, and what selects among its series.
    String.raw`(?<selector>(?<name>[A-Za-z_:][\w:]*)?\s*\{(?:[^"'{}]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')*\})`,
    String.raw`(?<word>[A-Za-z_:][\w:]*)(?<call>\s*\()?`,
  ].join('|'),
  'gi',
);
const keyword = new RegExp(`^(${aggregations}|${operators})$`, 'i');

/** Selectors such as `cpu_seconds_total{mode="idle"}`, each once; of an expression that cannot be read, those that are found. */
export function selectorsOf(query: string): string[] {
  const found = [...query.matchAll(token)].flatMap(({ groups = {} }) => {
    const { selector, word, call } = groups;
    if (selector !== undefined) return [selector.trim()];
    return word === undefined || call !== undefined || keyword.test(word) ? [] : [word];
  });
  return [...new Set(found)];
}
