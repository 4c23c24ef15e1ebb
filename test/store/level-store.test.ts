import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { FileSystem } from '../../src/store/durable';
import { incomingName, leftoverMaxAgeMs } from '../../src/store/leftover';
import { createLevelStore, type StoredLevels } from '../../src/store/level-store';

let directory: string;
beforeEach(async () => (directory = await nodeFs.mkdtemp(join(tmpdir(), 'vaemon-levels-'))));
afterEach(() => nodeFs.rm(directory, { recursive: true, force: true }));

const fileOf = (name: string) => join(directory, 'pump', 'levels', name);
const open = (fs: FileSystem = nodeFs) => createLevelStore({ directory, detector: 'pump', fs });
const levels: StoredLevels = {
  version: 'v1',
  offset: 9007199254740993n,
  devices: [['pump-3', { seen: 70, samples: [[0.1, -2e-300], []] }]],
};

test('what was never saved is not there', async () => {
  expect(await open().load('sensors', 0)).toBeUndefined();
});

test('gives back what was saved last, by topic and partition', async () => {
  await open().save('sensors', 0, levels);
  await open().save('sensors', 0, { ...levels, version: 'v2' });
  await open().save('sensors-0', 1, { ...levels, offset: -1n, devices: [] });
  expect(await open().load('sensors', 0)).toEqual({ ...levels, version: 'v2' });
  expect(await open().load('sensors-0', 1)).toEqual({ ...levels, offset: -1n, devices: [] });
  expect(await open().load('sensors', 1)).toBeUndefined();
  expect((await nodeFs.readdir(fileOf('.'))).sort()).toEqual(['sensors-0-1.json', 'sensors-0.json']);
});

test('keeps every number to its last bit', async () => {
  await fc.assert(
    // JSON has no −0.
    fc.asyncProperty(
      fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)),
      async (sample) => {
        const devices = [['a', { seen: 1, samples: [sample] }]] as const;
        await open().save('t', 0, { version: 'v1', offset: 0n, devices });
        expect((await open().load('t', 0))!.devices).toEqual(devices);
      },
    ),
    { numRuns: 30 },
  );
});

test.each([
  ['{"schema":1,"ver', /is not JSON/],
  ['null', /has the schema undefined/],
  ['{"schema":2,"version":"v1","offset":"1","devices":[]}', /has the schema 2; this vaemon reads 1/],
  ['{"schema":1,"offset":"1","devices":[]}', /names no model version/],
  ['{"schema":1,"version":"v1","offset":1,"devices":[]}', /has no offset \(got 1\)/],
  ['{"schema":1,"version":"v1","offset":"1","devices":{}}', /devices that are none/],
  [
    '{"schema":1,"version":"v1","offset":"1","devices":[["a",{"seen":1,"samples":[[null]]}]]}',
    /devices that are none/,
  ],
  [
    '{"schema":1,"version":"v1","offset":"1","devices":[["a",{"seen":-1,"samples":[]}]]}',
    /devices that are none/,
  ],
])('refuses a file that says %s, and names it', async (text, message) => {
  await open().save('sensors', 0, levels);
  await nodeFs.writeFile(fileOf('sensors-0.json'), text);
  await expect(open().load('sensors', 0)).rejects.toThrow(message);
  await expect(open().load('sensors', 0)).rejects.toThrow(fileOf('sensors-0.json'));
});

test('a full disk leaves what was there, and nothing beside it', async () => {
  await open().save('sensors', 0, levels);
  const full: FileSystem = {
    ...nodeFs,
    open: async (path, ...rest) => {
      const handle = await nodeFs.open(path, ...rest);
      if (rest[0] === 'w')
        handle.writeFile = () => Promise.reject(new Error('ENOSPC: no space left on device'));
      return handle;
    },
  };
  await expect(open(full).save('sensors', 0, { ...levels, version: 'v2' })).rejects.toThrow('ENOSPC');
  expect(await open().load('sensors', 0)).toEqual(levels);
  expect(await nodeFs.readdir(fileOf('.'))).toEqual(['sensors-0.json']);
});

test('what a killed process left is removed by the next one', async () => {
  await open().save('sensors', 0, levels);
  const leftover = fileOf(incomingName('levels'));
  await nodeFs.writeFile(leftover, '{');
  const long = (Date.now() - 2 * leftoverMaxAgeMs) / 1000;
  await nodeFs.utimes(leftover, long, long);
  await open().save('sensors', 1, levels);
  expect((await nodeFs.readdir(fileOf('.'))).sort()).toEqual(['sensors-0.json', 'sensors-1.json']);
});

test.each(['../pump', 'a/b', ''])('refuses %j as the name of a topic', async (topic) => {
  await expect(open().save(topic, 0, levels)).rejects.toThrow('not a name for one');
  await expect(open().load(topic, 0)).rejects.toThrow('not a name for one');
});
