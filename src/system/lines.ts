/** Reads text streams by line, in bounded memory. */
import type { Readable } from 'node:stream';

/** Calls `onLine` for each line of UTF-8 text, without its line feed, cut to `maxLength` characters. */
export function readLines(stream: Readable, maxLength: number, onLine: (line: string) => void): void {
  let line = '';
  const end = () => {
    onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    line = '';
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    let start = 0;
    for (let feed = chunk.indexOf('\n'); feed !== -1; feed = chunk.indexOf('\n', start)) {
      append(chunk.slice(start, feed));
      end();
      start = feed + 1;
    }
    append(chunk.slice(start));
  });
  stream.on('end', () => {
    if (line !== '') end();
  });

  function append(text: string): void {
    if (line.length < maxLength) line += text.slice(0, maxLength - line.length);
  }
}
