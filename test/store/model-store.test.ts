import { execFileSync, spawnSync } from 'node:child_process';
import nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ModelVersionError } from '../../src/errors';
import type { FileSystem } from '../../src/system/file-system';
import { incomingName, temporaryMaxAgeMs } from '../../src/system/temporary-names';
import { bundleSchemaVersion } from '../../src/store/bundle';
import { createModelStore } from '../../src/store/model-store';

const start = Date.UTC(2026, 0, 31, 3, 0, 0, 123);
const writtenBy = { vaemon: '0.1.0' };
const bundle = (text = 'weights') =>
  new Map([
    ['weights.safetensors', Buffer.from(text)],
    ['calibration.json', Buffer.from('{"n":1}')],
  ]);

let directory: string;
beforeEach(async () => (directory = await nodeFs.mkdtemp(join(tmpdir(), 'vaemon-store-'))));
afterEach(() => nodeFs.rm(directory, { recursive: true, force: true }));

const versionsPath = (...parts: string[]) => join(directory, 'pump', 'versions', ...parts);

/** A store whose clock advances by a second each time it is read. */
function openStore(options: { fs?: FileSystem; clock?: () => number; directory?: string } = {}) {
  let now = start - 1000;
  return createModelStore({ directory, detector: 'pump', clock: () => (now += 1000), ...options });
}

/** A store that hangs at the first call that `stopAt` selects, like a killed process. */
function storeThatDies(stopAt: (call: 'open' | 'rename', path: string) => boolean) {
  let died: () => void;
  const dead = new Promise<void>((resolve) => (died = resolve));
  const guard = async (call: 'open' | 'rename', path: string) => {
    if (!stopAt(call, path)) return;
    died();
    await new Promise(() => undefined);
  };
  const fs: FileSystem = {
    ...nodeFs,
    open: async (path, ...rest) => {
      await guard('open', String(path));
      return nodeFs.open(path, ...rest);
    },
    rename: async (from, to) => {
      await guard('rename', String(to));
      await nodeFs.rename(from, to);
    },
  };
  return { store: openStore({ fs, clock: () => start + 60_000 }), dead };
}

/** A store on a disk where writing fails with `code` for files whose path contains `part`. */
function storeOnFullDisk(part: string, code = 'ENOSPC') {
  const fs: FileSystem = {
    ...nodeFs,
    open: async (path, ...rest) => {
      const handle = await nodeFs.open(path, ...rest);
      if (String(path).includes(part) && rest[0] === 'w') {
        handle.writeFile = async () => {
          await handle.write('ha');
          throw Object.assign(new Error(`${code}: no space left on device, write`), { code });
        };
      }
      return handle;
    },
  };
  return openStore({ fs, clock: () => start + 60_000 });
}

async function reasonOf(promise: Promise<unknown>) {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!(error instanceof ModelVersionError))
    throw new Error('expected a ModelVersionError', { cause: error });
  return { reason: error.reason, message: error.message };
}

async function editManifest(version: string, edit: (manifest: Record<string, unknown>) => void) {
  const path = versionsPath(version, 'manifest.json');
  const manifest = JSON.parse(await nodeFs.readFile(path, 'utf8')) as Record<string, unknown>;
  edit(manifest);
  await nodeFs.writeFile(path, JSON.stringify(manifest));
}

describe('an empty store', () => {
  it('has no versions and no current version', async () => {
    expect(await openStore().current()).toBeUndefined();
    expect(await openStore().list()).toEqual([]);
    expect(await openStore().prune(1)).toEqual([]);
  });

  it.each(['../pump', 'a/b', '', '.hidden', '..'])('refuses %j as a detector name', (detector) => {
    expect(() => createModelStore({ directory, detector })).toThrow(/name/);
  });
});

describe('publish', () => {
  it('returns the published files, under a name made of the time', async () => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    expect(version).toBe('20260131T030000.123Z');
    expect(await store.current()).toBe(version);
    const { manifest, files } = await store.read(version);
    expect(manifest).toMatchObject({
      schemaVersion: bundleSchemaVersion,
      version,
      detector: 'pump',
      createdAt: '2026-01-31T03:00:00.123Z',
      writtenBy,
    });
    expect([...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString()])).toEqual([
      ['weights.safetensors', 'weights'],
      ['calibration.json', '{"n":1}'],
    ]);
  });

  it('lists versions newest first and marks the current one', async () => {
    const store = openStore();
    const [first, second] = [
      await store.publish(bundle(), writtenBy),
      await store.publish(bundle(), writtenBy),
    ];
    await store.setCurrent(first);
    expect(await store.list()).toEqual([
      { version: second, createdAt: '2026-01-31T03:00:01.123Z', current: false },
      { version: first, createdAt: '2026-01-31T03:00:00.123Z', current: true },
    ]);
  });

  it('keeps the pinned version the current one, whatever is published and pruned, until it is unpinned', async () => {
    const store = openStore();
    const first = await store.publish(bundle(), writtenBy);
    const second = await store.publish(bundle(), writtenBy);
    await store.pin(first);
    expect([await store.current(), await store.pinned()]).toEqual([first, first]);
    const third = await store.publish(bundle(), writtenBy);
    expect(await store.current()).toBe(first);
    // Another process sees the pin, too.
    const fourth = await openStore({ clock: () => start + 60_000 }).publish(bundle(), writtenBy);
    expect(await store.prune(1)).toEqual([third, second]);
    await store.unpin();
    expect([await store.current(), await store.pinned()]).toEqual([first, undefined]);
    const fifth = await openStore({ clock: () => start + 90_000 }).publish(bundle(), writtenBy);
    expect(await store.current()).toBe(fifth);
    expect((await store.list()).map(({ version }) => version)).toEqual([fifth, fourth, first]);
    await expect(store.pin('20250101T000000.000Z')).rejects.toThrow(ModelVersionError);
    expect(await store.pinned()).toBeUndefined();
  });

  it('separates the bundles of several publishers in one millisecond', async () => {
    const clock = () => start;
    const published = await Promise.all(
      ['a', 'b', 'c', 'd'].map((text) => openStore({ clock }).publish(bundle(text), writtenBy)),
    );
    expect([...published].sort()).toEqual([
      '20260131T030000.123Z',
      '20260131T030000.123Z-001',
      '20260131T030000.123Z-002',
      '20260131T030000.123Z-003',
    ]);
    const store = openStore();
    for (const [i, version] of published.entries()) {
      const { manifest, files } = await store.read(version);
      expect(manifest.version).toBe(version);
      expect(Buffer.from(files.get('weights.safetensors')!).toString()).toBe('abcd'[i]);
    }
    expect(published).toContain(await store.current());
    expect((await nodeFs.readdir(versionsPath())).length).toBe(4);
  });

  it('avoids a name that a file or a link has already', async () => {
    const clock = () => start;
    await nodeFs.mkdir(versionsPath(), { recursive: true });
    await nodeFs.writeFile(versionsPath('20260131T030000.123Z'), 'mine');
    await nodeFs.symlink('..', versionsPath('20260131T030000.123Z-001'));
    expect(await openStore({ clock }).publish(bundle(), writtenBy)).toBe('20260131T030000.123Z-002');
    expect(await nodeFs.readFile(versionsPath('20260131T030000.123Z'), 'utf8')).toBe('mine');
  });

  it.each(['../weights', 'a/b', 'manifest.json', '.hidden', ''])('refuses a file called %j', async (name) => {
    await expect(openStore().publish(new Map([[name, Buffer.from('x')]]), writtenBy)).rejects.toThrow(/name/);
    await expect(openStore().publish(new Map(), writtenBy)).rejects.toThrow(/at least one file/);
    expect(await nodeFs.readdir(directory)).toEqual([]);
  });
});

describe('a publish that fails', () => {
  it.each(['calibration.json', 'manifest.json', 'incoming-current'])(
    'on a disk that is full at %s leaves the old version current and no other files',
    async (part) => {
      const store = openStore();
      const old = await store.publish(bundle(), writtenBy);
      const failure = await storeOnFullDisk(part)
        .publish(bundle('new'), writtenBy)
        .catch((e: unknown) => e);
      expect(String(failure)).toMatch(/could not publish .*ENOSPC.*free some space/);
      expect((failure as Error).cause).toMatchObject({ code: 'ENOSPC' });
      expect(await nodeFs.readdir(versionsPath())).toEqual([old]);
      expect((await nodeFs.readdir(join(directory, 'pump'))).sort()).toEqual(['current', 'versions']);
      expect(await store.current()).toBe(old);
      await store.read(old);
    },
  );

  it('explains missing permissions', async () => {
    await expect(storeOnFullDisk('calibration', 'EACCES').publish(bundle(), writtenBy)).rejects.toThrow(
      /the user that runs vaemon/,
    );
  });

  it('reports a directory that is a file', async () => {
    const file = join(directory, 'file');
    await nodeFs.writeFile(file, '');
    await expect(openStore({ directory: file }).publish(bundle(), writtenBy)).rejects.toThrow(/ENOTDIR/);
  });

  const tmpfs = canMountTmpfs();
  (tmpfs ? it : it.skip)(
    'on a real full disk leaves no other files (needs the right to mount a tmpfs)',
    async () => {
      const mount = join(directory, 'small');
      await nodeFs.mkdir(mount);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount]);
      try {
        const store = openStore({ directory: mount });
        const old = await store.publish(bundle(), writtenBy);
        const tooLarge = new Map([['weights.safetensors', Buffer.alloc(256 * 1024, 1)]]);
        await expect(store.publish(tooLarge, writtenBy)).rejects.toThrow(/ENOSPC.*free some space/);
        expect(await nodeFs.readdir(join(mount, 'pump', 'versions'))).toEqual([old]);
        expect(await store.current()).toBe(old);
        // The space was freed: a version that fits is still published.
        const next = await store.publish(
          new Map([['weights.safetensors', Buffer.alloc(24 * 1024)]]),
          writtenBy,
        );
        expect(await store.current()).toBe(next);
      } finally {
        execFileSync('umount', [mount]);
      }
    },
  );
});

describe('a process that dies while it publishes', () => {
  it('between rename and pointer leaves the old version current and the new version complete', async () => {
    const store = openStore();
    const old = await store.publish(bundle(), writtenBy);
    const { store: dying, dead } = storeThatDies(
      (call, path) => call === 'rename' && path.endsWith('current'),
    );
    void dying.publish(bundle('new'), writtenBy);
    await dead;
    expect(await store.current()).toBe(old);
    const [newest] = await store.list();
    expect(newest).toMatchObject({ version: '20260131T030100.123Z', current: false });
    await store.read(newest!.version);
    await store.read(old);
  });

  it('during its files shows nothing; prune removes the rest after an hour', async () => {
    const store = openStore();
    const old = await store.publish(bundle(), writtenBy);
    const { store: dying, dead } = storeThatDies((_, path) => path.endsWith('calibration.json'));
    void dying.publish(bundle('new'), writtenBy);
    await dead;
    expect((await store.list()).map(({ version }) => version)).toEqual([old]);
    expect((await nodeFs.readdir(versionsPath())).length).toBe(2);

    await openStore({ clock: Date.now }).prune(5);
    expect((await nodeFs.readdir(versionsPath())).length).toBe(2);
    await openStore({ clock: () => Date.now() + temporaryMaxAgeMs + 1000 }).prune(5);
    expect(await nodeFs.readdir(versionsPath())).toEqual([old]);
  });

  it('is recognised earlier by its process id', async () => {
    const store = openStore({ clock: Date.now });
    const old = await store.publish(bundle(), writtenBy);
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const ofTheDead = incomingName('20260131T030000.123Z').replace(
      `-${String(process.pid)}-`,
      `-${String(pid)}-`,
    );
    await nodeFs.mkdir(versionsPath(ofTheDead));
    await nodeFs.writeFile(join(directory, 'pump', ofTheDead), '');
    await nodeFs.mkdir(versionsPath('.incoming-of-someone-else'));
    await store.prune(5);
    expect((await nodeFs.readdir(versionsPath())).sort()).toEqual(['.incoming-of-someone-else', old]);
    expect((await nodeFs.readdir(join(directory, 'pump'))).sort()).toEqual(['current', 'versions']);
  });
});

describe('read', () => {
  it('detects any flipped bit in any file and names the file', async () => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bundle().keys()),
        fc.nat({ max: 6 }),
        fc.nat({ max: 7 }),
        async (name, byte, bit) => {
          const path = versionsPath(version, name);
          const good = await nodeFs.readFile(path);
          const bad = Buffer.from(good);
          bad[byte]! ^= 1 << bit;
          await nodeFs.writeFile(path, bad);
          const { reason, message } = await reasonOf(store.read(version));
          expect(reason).toBe('checksum');
          expect(message).toContain(name);
          await nodeFs.writeFile(path, good);
        },
      ),
      { numRuns: 50 },
    );
    await store.read(version);
  });

  it('detects a file that is too short or too long before reading it', async () => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    await nodeFs.truncate(versionsPath(version, 'weights.safetensors'), 3);
    expect(await reasonOf(store.read(version))).toMatchObject({
      reason: 'checksum',
      message: expect.stringMatching(/weights\.safetensors is damaged: 3 bytes instead of 7/),
    });
  });

  it.each(['weights.safetensors', 'manifest.json'])('says that %s is missing', async (name) => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    await nodeFs.rm(versionsPath(version, name));
    expect(await reasonOf(store.read(version))).toMatchObject({
      reason: 'missing_file',
      message: expect.stringContaining(name),
    });
  });

  const known = bundleSchemaVersion;
  it.each([
    [
      known - 1,
      new RegExp(`older schema ${known - 1}, and this version of vaemon reads ${known}; train again`),
    ],
    [
      known + 1,
      new RegExp(`newer schema ${known + 1}, and this version of vaemon reads ${known}; upgrade vaemon`),
    ],
    [undefined, /has no schema version.*train again/],
  ])('refuses schema %s and advises what to do', async (schemaVersion, message) => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    // Another schema may have another layout.
    await editManifest(version, (manifest) => {
      delete manifest['files'];
      manifest['schemaVersion'] = schemaVersion;
    });
    expect(await reasonOf(store.read(version))).toMatchObject({
      reason: 'schema',
      message: expect.stringMatching(message),
    });
  });

  it.each<[string, (manifest: Record<string, unknown>) => void, RegExp]>([
    ['of another version', (m) => (m['version'] = '20200101T000000.000Z'), /renamed or copied/],
    ['of another detector', (m) => (m['detector'] = 'fan'), /belongs to detector fan/],
    ['without files', (m) => delete m['files'], /no list of files/],
    ['with a path for a file', (m) => (m['files'] = { '../x': { bytes: 1, sha256: '' } }), /invalid name/],
    ['without checksums', (m) => (m['files'] = { x: { bytes: 1 } }), /sha256 of x/],
    ['without writtenBy', (m) => delete m['writtenBy'], /writtenBy/],
    ['without createdAt', (m) => delete m['createdAt'], /createdAt/],
  ])('refuses a manifest %s', async (_, edit, message) => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    await editManifest(version, edit);
    expect(await reasonOf(store.read(version))).toMatchObject({
      reason: 'unreadable',
      message: expect.stringMatching(message),
    });
  });

  it.each(['', '{', '[]', 'null', '"x"'])('refuses a manifest that reads %j', async (content) => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    await nodeFs.writeFile(versionsPath(version, 'manifest.json'), content);
    expect((await reasonOf(store.read(version))).reason).toBe('unreadable');
  });

  it.each(['..', '../../etc', '20260131T030000.123Z/..', '20260131T030000.123Z\n', '/etc', ''])(
    'refuses %j for a version',
    async (name) => {
      const store = openStore();
      await store.publish(bundle(), writtenBy);
      expect((await reasonOf(store.read(name))).reason).toBe('unreadable');
      expect((await reasonOf(store.setCurrent(name))).reason).toBe('unreadable');
      expect(await store.current()).toBe('20260131T030000.123Z');
    },
  );

  it('reports that a version does not exist', async () => {
    const store = openStore();
    await store.publish(bundle(), writtenBy);
    expect((await reasonOf(store.read('20200101T000000.000Z'))).message).toMatch(/no such version/);
    expect((await reasonOf(store.setCurrent('20200101T000000.000Z'))).reason).toBe('missing_file');
  });

  it('follows no symbolic link, neither for a version nor for a file', async () => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    const link = '20260201T000000.000Z';
    await nodeFs.symlink(versionsPath(version), versionsPath(link));
    expect((await reasonOf(store.read(link))).reason).toBe('unreadable');
    expect((await reasonOf(store.setCurrent(link))).reason).toBe('unreadable');
    expect((await store.list()).map((info) => info.version)).toEqual([version]);

    const weights = versionsPath(version, 'weights.safetensors');
    await nodeFs.rename(weights, join(directory, 'elsewhere'));
    await nodeFs.symlink(join(directory, 'elsewhere'), weights);
    expect((await reasonOf(store.read(version))).reason).toBe('unreadable');
  });

  it('does not wait for a pipe', async () => {
    const store = openStore();
    const version = await store.publish(bundle(), writtenBy);
    const weights = versionsPath(version, 'weights.safetensors');
    await nodeFs.rm(weights);
    execFileSync('mkfifo', [weights]);
    expect((await reasonOf(store.read(version))).reason).toBe('unreadable');
  });
});

describe('the pointer', () => {
  it.each(['', '../../etc', 'nonsense', 'x'.repeat(1000)])(
    'that reads %j is an error, not a guess',
    async (content) => {
      const store = openStore();
      const version = await store.publish(bundle(), writtenBy);
      await nodeFs.writeFile(join(directory, 'pump', 'current'), content);
      expect((await reasonOf(store.current())).reason).toBe('unreadable');
      await expect(store.prune(0)).rejects.toThrow(ModelVersionError);
      expect(await nodeFs.readdir(versionsPath())).toEqual([version]);
      await store.setCurrent(version);
      expect(await store.current()).toBe(version);
    },
  );

  it('and each file are synced before they get their names, and the folders afterwards', async () => {
    const calls: string[] = [];
    const note = (call: string, path: string) => {
      calls.push(
        `${call} ${path.slice(join(directory, 'pump').length + 1).replace(/\.incoming-[^/]+/, 'INCOMING')}`,
      );
    };
    const fs: FileSystem = {
      ...nodeFs,
      open: async (path, ...rest) => {
        const handle = await nodeFs.open(path, ...rest);
        const sync = handle.sync.bind(handle);
        handle.sync = async () => {
          note('sync', String(path));
          await sync();
        };
        return handle;
      },
      rename: async (from, to) => {
        note('rename', String(to));
        await nodeFs.rename(from, to);
      },
    };
    await openStore({ fs }).publish(bundle(), writtenBy);
    expect(calls.slice(2)).toEqual([
      'sync versions/INCOMING/weights.safetensors',
      'sync versions/INCOMING/calibration.json',
      'sync versions/INCOMING/manifest.json',
      'sync versions/INCOMING',
      'rename versions/20260131T030000.123Z',
      'sync versions',
      'sync INCOMING',
      'rename current',
      'sync ',
    ]);
  });
});

describe('prune', () => {
  it('keeps the newest versions and always the current one', async () => {
    const store = openStore();
    const published: string[] = [];
    for (let i = 0; i < 5; i++) published.push(await store.publish(bundle(), writtenBy));
    await store.setCurrent(published[0]!);
    expect(await store.prune(2)).toEqual([published[2], published[1]]);
    expect((await store.list()).map(({ version }) => version)).toEqual([
      published[4],
      published[3],
      published[0],
    ]);
    expect(await store.prune(0)).toEqual([published[4], published[3]]);
    await store.read(published[0]!);
    expect(await nodeFs.readdir(versionsPath())).toEqual([published[0]]);
  });

  it('also keeps versions that were the newest at a given time or later, and wanted ones', async () => {
    // One second apart.
    const store = openStore();
    const published: string[] = [];
    for (let i = 0; i < 5; i++) published.push(await store.publish(bundle(), writtenBy));
    const since = Date.parse((await store.read(published[3]!)).manifest.createdAt) - 1;
    // The third version was the newest until the fourth.
    expect(await store.prune(1, [published[1]!], since)).toEqual([published[0]]);
    expect(await store.prune(1, [], since)).toEqual([published[1]]);
    expect(await store.prune(1, [], since + 1_000)).toEqual([published[2]]);
    expect(await store.prune(1, [], since + 1_000_000)).toEqual([published[3]]);
  });

  it('keeps at most a hundred of these', async () => {
    const store = openStore();
    for (let i = 0; i < 103; i++) await store.publish(bundle(), writtenBy);
    expect(await store.prune(5, [], 0)).toHaveLength(3);
  });

  it.each([-1, 1.5, NaN])('refuses to keep %p versions', async (keep) => {
    await expect(openStore().prune(keep)).rejects.toThrow(/whole number/);
  });

  it('leaves unknown files alone', async () => {
    const store = openStore();
    await store.publish(bundle(), writtenBy);
    await nodeFs.writeFile(versionsPath('README'), '');
    await store.prune(0);
    expect(await nodeFs.readdir(versionsPath())).toContain('README');
  });
});

function canMountTmpfs(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const mounted = spawnSync('sh', [
    '-c',
    'd=$(mktemp -d) && { mount -t tmpfs tmpfs "$d" && umount "$d"; s=$?; rmdir "$d"; exit $s; }',
  ]);
  return mounted.status === 0;
}

it('lists versions although the pointer is damaged, and only the owner can read them', async () => {
  const store = openStore();
  const version = await store.publish(new Map([['model.json', Buffer.from('{}')]]), {});
  await nodeFs.writeFile(join(directory, 'pump', 'current'), '');
  await expect(store.current()).rejects.toThrow('contains no version name');
  expect(await store.list()).toMatchObject([{ version, current: false }]);
  await store.setCurrent(version);
  expect(await store.current()).toBe(version);
  const modeOf = async (...path: string[]) =>
    (await nodeFs.stat(join(directory, 'pump', ...path))).mode & 0o777;
  expect(await modeOf('versions')).toBe(0o700);
  expect(await modeOf('versions', version)).toBe(0o700);
  expect(await modeOf('versions', version, 'model.json')).toBe(0o600);
  expect(await modeOf('current')).toBe(0o600);
});
