import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileSink } from '../../../src/sinks/file/file';
import type { DeadLetter } from '../../../src/sinks/sink';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-file-sink-'));
});
afterEach(() => rm(folder, { recursive: true }));

const letter = (offset: number, given: Partial<DeadLetter> = {}): DeadLetter => ({
  detector: 'pump',
  reason: 'not_a_number',
  message: 'channel "flow" must be a number',
  origin: { topic: 't', partition: 0, offset: String(offset) },
  key: Buffer.from('a'),
  value: Buffer.from('{"flow":"x"}'),
  ...given,
});
const batch = (...deadLetters: DeadLetter[]) => ({ detections: [], events: [], deadLetters });
const linesOf = async (path: string) =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('a dead letter is a line with everything that is needed to send the record again', async () => {
  const path = join(folder, 'new', 'dead.ndjson');
  const sink = await createFileSink({ deadLetters: path, maxBytes: 1e6 });
  await sink.write(batch(letter(1), letter(2, { key: null, value: Buffer.from([0xff, 0]) })));
  await sink.write(batch());
  await sink.close();
  await sink.close();
  expect(await linesOf(path)).toEqual(
    [
      { ...letter(1), key: 'a', value: '{"flow":"x"}' },
      { ...letter(2), key: null, value: undefined, valueBase64: '/wA=' },
    ].map((line) => JSON.parse(JSON.stringify(line)) as unknown),
  );
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('no character of a record reaches a terminal as a command', async () => {
  const path = join(folder, 'dead.ndjson');
  const sink = await createFileSink({ deadLetters: path, maxBytes: 1e6 });
  const nasty = 'a\u001b[2J\u009b1m\u202ex\u2066\u0085';
  await sink.write(batch(letter(1, { message: nasty })));
  await sink.close();
  const text = await readFile(path, 'utf8');
  expect(text).toMatch(/^[\x20-\x7e]*\n$/);
  expect((await linesOf(path))[0]).toMatchObject({ message: nasty });
});

test('a file goes on where it was, and is replaced when it is full', async () => {
  const path = join(folder, 'dead.ndjson');
  await writeFile(path, '{"old":1}\n');
  const sink = await createFileSink({ deadLetters: path, maxBytes: 200 });
  await Promise.all([1, 2, 3].map((offset) => sink.write(batch(letter(offset)))));
  await sink.close();
  const offsets = async (file: string) =>
    (await linesOf(file)).map((line) => (line['origin'] as { offset?: string } | undefined)?.offset);
  expect(await offsets(`${path}.1`)).toEqual(
    [undefined, '1', '2'].slice(0, (await offsets(`${path}.1`)).length),
  );
  expect([...(await offsets(`${path}.1`)), ...(await offsets(path))]).toEqual([undefined, '1', '2', '3']);
});

test('a file that cannot be written is an error at the start, and one that is closed refuses the batch', async () => {
  await expect(createFileSink({ deadLetters: folder, maxBytes: 1 })).rejects.toThrow('EISDIR');
  const sink = await createFileSink({ deadLetters: join(folder, 'x'), maxBytes: 1 });
  await sink.close();
  await expect(sink.write(batch(letter(1)))).rejects.toThrow('is closed');
});
