/** The files of the web page, read once. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import type { Answer } from './answer';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing is loaded from other hosts, no inline script runs, and no other page can embed this one. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of everything that a browser shows. */
export const pageHeaders = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Answers by path: `/`, and the files below `/page/` that it loads. */
export function readPage(): ReadonlyMap<string, Answer> {
  const folder = join(__dirname, 'page');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const charts = dirname(require.resolve('uplot/package.json'));
  const named: (readonly [string, string])[] = [
    ...files.map((file) => [file.slice(folder.length + 1), file] as const),
    ['uPlot.esm.js', join(charts, 'dist/uPlot.esm.js')],
    ['uPlot.min.css', join(charts, 'dist/uPlot.min.css')],
  ];
  return new Map(
    named.map(([name, file]) => {
      const contentType = contentTypes[extname(name)] ?? 'application/octet-stream';
      return [
        name === 'index.html' ? '/' : `/page/${name}`,
        { status: 200, contentType, body: readFileSync(file), headers: pageHeaders },
      ];
    }),
  );
}
