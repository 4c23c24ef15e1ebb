import { Writable } from 'node:stream';
import { createStatusLine } from '../../src/cli/status-line';

const erase = '\r\x1b[2K';

function createTerminal(columns = 80) {
  let written = '';
  const stream = new Writable({
    write(chunk, _, done) {
      written += String(chunk);
      done();
    },
  });
  const take = () => {
    const text = written;
    written = '';
    return text;
  };
  return { terminal: Object.assign(stream, { isTTY: true, columns }), take };
}

test('output replaces the status line, which is drawn again below it', () => {
  const { terminal, take } = createTerminal();
  const status = createStatusLine(terminal);
  status.stream.write('before\n');
  expect(take()).toBe('before\n');
  status.show('epoch 1');
  expect(take()).toBe(`${erase}epoch 1`);
  status.stream.write('model loaded\n');
  expect(take()).toBe(`${erase}model loaded\nepoch 1`);
  status.show('epoch 2');
  expect(take()).toBe(`${erase}epoch 2`);
  status.clear();
  status.clear();
  expect(take()).toBe(erase);
  status.stream.write('after\n');
  expect(take()).toBe('after\n');
});

test('the status line never wraps', () => {
  const { terminal, take } = createTerminal(10);
  createStatusLine(terminal).show('0123456789');
  expect(take()).toBe(`${erase}012345678`);
});
