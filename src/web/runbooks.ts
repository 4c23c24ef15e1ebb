/** Renders docs/runbooks.md as a page, so that the links of alerts work. It needs no script. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from './answer';
import { pageHeaders } from './static';

export const runbooksPath = '/runbooks';

export function readRunbooks(): Answer {
  // The path is the same from src/ and from dist/.
  const text = readFileSync(join(__dirname, '../../docs/runbooks.md'), 'utf8');
  return {
    status: 200,
    contentType: 'text/html; charset=utf-8',
    body: renderRunbooks(text),
    headers: pageHeaders,
  };
}

/** Renders headings, lists, paragraphs and code, the only elements of the page. Each `###` has the anchor of its alert. */
function renderRunbooks(markdown: string): string {
  const blocks = markdown.split(/\n{2,}/).map(renderBlock);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Runbooks – vaemon</title>
    <link rel="icon" href="/page/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/page/style.css" />
  </head>
  <body>
    <header><a class="name" href="/">vaemon</a></header>
    <main class="text">
${blocks.join('\n')}
    </main>
  </body>
</html>
`;
}

function renderBlock(block: string): string {
  const heading = /^(#{1,3}) (.*)$/.exec(block.trim());
  if (heading !== null) {
    const [, { length: level }, name] = heading as unknown as [string, string, string];
    return `<h${level} id="${escape(name.toLowerCase())}">${renderText(name)}</h${level}>`;
  }
  if (block.startsWith('    ')) return `<pre>${escape(block.replace(/^ {4}/gm, '').trimEnd())}</pre>`;
  if (!block.startsWith('- ')) return `<p>${renderText(block.trim())}</p>`;
  const items = block.slice(2).split(/\n- /);
  return `<ul>${items.map((item) => `<li>${renderText(item.trim())}</li>`).join('')}</ul>`;
}

/** Renders code, bold words and links. Other pages of docs/ are not served, so links to them become plain text. */
function renderText(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith('`')
        ? `<code>${escape(part.slice(1, -1))}</code>`
        : escape(part)
            .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
            .replace(/\[([^\]]*)\]\(([^)#]*)[^)]*\)/g, '$1 (docs/$2)'),
    )
    .join('');
}

function escape(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' };
  return text.replace(/[&<>"]/g, (mark) => `&${names[mark]};`);
}
