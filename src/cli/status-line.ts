/** A line at the bottom of a terminal that is redrawn in place. Other output goes to `stream` and appears above it. */
import { Writable } from 'node:stream';
import type { LogStream } from '../logger';

export type StatusLine = ReturnType<typeof createStatusLine>;

/** Moves the cursor to the start of the line and erases the line. */
const eraseLine = '\r\x1b[2K';

export function createStatusLine(terminal: LogStream) {
  let shown = '';

  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _, done) {
      const text = shown === '' ? chunk : `${eraseLine}${chunk.toString()}${shown}`;
      terminal.write(text);
      // Called at once: a line that waits in this stream would be lost when the process exits.
      done();
    },
  });

  return {
    stream: Object.assign(stream, { isTTY: true }) as LogStream,
    show(text: string): void {
      // A longer line would wrap, and only its last row could be erased.
      shown = text.slice(0, (terminal.columns ?? 80) - 1);
      terminal.write(eraseLine + shown);
    },
    clear(): void {
      if (shown !== '') terminal.write(eraseLine);
      shown = '';
    },
  };
}
