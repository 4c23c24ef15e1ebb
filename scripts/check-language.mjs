/**
 * Checks the language of comments, strings and docs: words and turns that the project does not use, with a suggestion.
 * node scripts/check-language.mjs [--count] [PATH…]    --count: only the number of findings in each folder
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const root = path.join(import.meta.dirname, '..');
const checked = ['src', 'docs', 'config', 'deploy', 'README.md'];
const textFiles = /\.(md|ya?ml|json)$/;

/** Pattern (a space matches any white space, `\b` is added at both ends) and suggestion. */
const rules = [
  ['anew', 'again, new'],
  ['whoever', 'name the actor'],
  ['(some|no)body', 'name the actor, or use the passive'],
  ['in vain', 'unreachable, without an answer'],
  ['so many', 'N, the number of'],
  ['so (few|long|soon) a', 'name the number'],
  ['any ?more', 'no longer'],
  ['of whom', 'of which; make two sentences'],
  ["one another(’s|'s)?", 'each other'],
  ['verdicts?', 'detection, event, report'],
  ['given up', 'discarded, stopped'],
  ['refill(s|ed|ing)?|rewind(s|ing)?|rewound', 'warm-up'],
  ['warming', 'warm-up, window not full'],
  ['under way', 'in progress'],
  ['(is|are|was|were) to (?!(a|an|the|its|their|each|one)\\b)[a-z]+', 'must, or the present tense'],
  ['shall', 'must, or the present tense'],
  ['(says?|said|saying)', 'returns, reports, contains, means'],
  ['(speaks?|spoken?|tells?|told)', 'reports, returns, contains'],
  ['knows', 'contains, has, reads'],
  ['held(?![- ](?:out|back))', 'stored, kept, delayed'],
  ['remember(s|ed)?', 'store, keep'],
  ['judg(e|es|ed|ing|ements?)', 'score, evaluate'],
  ['taken in', 'read, processed, added'],
  ['(?<!lag )behind(?! a proxy)', 'after; the lag is N records'],
  ['beside', 'next to, compared with, in addition to'],
  ['not before', 'only after; put the subject first'],
  ['(goes|go|went|gone|going) on', 'continue'],
  ['let(s|ting)? go', 'release, close'],
  ['what (is|was|are|were|has|had|comes?|came|becomes?|became)', 'name the thing'],
  ['oftener', 'more often'],
  ['ever more', 'more and more'],
  ['from where on', 'the starting position'],
  ['troubles?', 'error, problem'],
  ['odder', 'more anomalous'],
  ['levels? of (a|the|its|each|every) (device|key)s?', 'baseline'],
  ['superseded', 'fenced'],
  ['owed', 'pending'],
  ['leftovers?|releasers?', 'temporary names, cleanup'],
  ['readouts?', 'scoring outputs'],
  ['attributions?', 'contributions'],
  ['framed', 'in the Confluent wire format'],
  ['intake', 'record decoder'],
  ['(the|a|its) rarity', 'negative log prior'],
].map(([pattern, suggestion]) => ({
  pattern: new RegExp(`(?<![\\w-])(?:${pattern.replaceAll(' ', '\\s+')})(?![\\w-])`, 'gi'),
  suggestion,
}));

/** Findings that are correct, by the word and the line that contains it. */
const allowed = [{ word: /^held$/i, line: /\blease\b/i, reason: 'processes hold leases' }];

/** Positions and texts of a TypeScript file that people read: comments and string literals. */
function readableParts(text) {
  const source = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true);
  const parts = new Map();
  const addComment = (pos, end) => {
    // Blank out line breaks with their comment signs, so that a turn is found across lines.
    const comment = text.slice(pos, end).replace(/\n\s*(\*(?!\/)|\/\/)?/g, (gap) => ' '.repeat(gap.length));
    parts.set(pos, comment);
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isJSDoc(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      parts.set(node.getStart(), node.getText());
    const children = node.getChildren();
    if (children.length > 0) return children.forEach(visit);
    ts.forEachLeadingCommentRange(text, node.pos, addComment);
    ts.forEachTrailingCommentRange(text, node.end, addComment);
  };
  source.getChildren().forEach(visit);
  return [...parts];
}

function filesUnder(name) {
  const file = path.join(root, name);
  if (!statSync(file).isDirectory()) return [name];
  return readdirSync(file, { recursive: true, encoding: 'utf8' })
    .map((below) => path.join(name, below))
    .filter((below) => /\.ts$/.test(below) || textFiles.test(below))
    .sort();
}

/** All findings of a file. */
function check(name) {
  const text = readFileSync(path.join(root, name), 'utf8');
  const parts = name.endsWith('.ts') ? readableParts(text) : [[0, text]];
  return parts
    .flatMap(([start, part]) =>
      rules.flatMap(({ pattern, suggestion }) =>
        [...part.matchAll(pattern)]
          .map((match) => {
            const line = text.slice(0, start + match.index).split('\n').length;
            return {
              name,
              line,
              found: match[0].replace(/\s+/g, ' '),
              suggestion,
              context: text.split('\n')[line - 1],
            };
          })
          .filter(
            ({ found, context }) => !allowed.some((rule) => rule.word.test(found) && rule.line.test(context)),
          ),
      ),
    )
    .sort((a, b) => a.line - b.line);
}

const args = process.argv.slice(2);
const countOnly = args[0] === '--count';
const paths = countOnly ? args.slice(1) : args;
const findings = (paths.length > 0 ? paths : checked).flatMap(filesUnder).flatMap(check);
const numbers = new Map();
for (const { name, line, found, suggestion } of findings) {
  const folder = name.split('/').slice(0, 2).join('/');
  numbers.set(folder, (numbers.get(folder) ?? 0) + 1);
  if (!countOnly) console.log(`${name}:${line}: "${found}" → ${suggestion}`);
}
if (countOnly) for (const [folder, number] of numbers) console.log(String(number).padStart(5), folder);
if (findings.length > 0) {
  console.log(`${findings.length} findings: docs/contributing.md, "Language"`);
  process.exitCode = 1;
}
