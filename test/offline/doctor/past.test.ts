/** Past events and mutes that a release can or cannot read. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonSettings, DetectorSettings } from '../../../src/config/settings';
import { examinePast } from '../../../src/offline/doctor/past';
import { openMutes } from '../../../src/past/mutes';
import { createEventFiles, eventFolder } from '../../../src/past/event-files';
import { emptyColumns } from '../../../src/past/recent-records';
import { removeFolders, writeFolder } from '../../config/folder';

afterEach(removeFolders);

const examine = (folder: string) =>
  examinePast({ detector: 'plant' } as DetectorSettings, { store: { path: folder } } as DaemonSettings);

test('nothing is stored: nothing is said', async () => {
  expect(await examine(await writeFolder({}))).toEqual([]);
});

test('events, labels and mutes are counted', async () => {
  const folder = await writeFolder({});
  const files = createEventFiles(eventFolder(folder, 'plant'));
  const label = { label: 'fault', at: 2, by: 'me' };
  for (const id of ['a', 'b']) {
    const event = { id, key: id, start: 1, end: 2 };
    const whole = {
      event,
      reportedAt: 1,
      updatedAt: 1,
      revision: 0,
      channels: ['x'],
      records: emptyColumns(1),
    };
    await files.write(whole as unknown as Parameters<typeof files.write>[0]);
  }
  await files.addLabel('a', 1, label as unknown as Parameters<typeof files.addLabel>[2]);
  const log = { error: () => undefined };
  const parts = { directory: folder, detector: 'plant', now: () => 0, reported: () => undefined, log };
  const mutes = await openMutes(parts);
  await mutes.add({ key: 'a', until: null } as unknown as Parameters<typeof mutes.add>[0]);
  expect(await examine(folder)).toEqual([
    { level: 'ok', subject: 'events', message: '2 past ones are read, 1 with a label' },
    { level: 'ok', subject: 'mutes', message: '1 can be read' },
  ]);
});

test('files that cannot be read are named, with what is lost', async () => {
  const folder = await writeFolder({});
  const events = eventFolder(folder, 'plant');
  await mkdir(events, { recursive: true });
  const damaged = join(events, `${'0'.repeat(32)}.json`);
  await writeFile(damaged, '{"schema":99}');
  const mutes = join(folder, 'plant/mutes');
  await mkdir(mutes);
  await writeFile(join(mutes, '00000000-0000-7000-8000-000000000000.json'), '{');
  expect(await examine(folder)).toEqual([
    expect.objectContaining({
      level: 'warning',
      subject: 'events',
      message: expect.stringContaining(
        `1 of the past cannot be read, and neither the page nor the API shows them: ${damaged} is not an event`,
      ) as string,
    }),
    expect.objectContaining({
      level: 'warning',
      subject: 'mutes',
      message: expect.stringMatching(/^some cannot be read and are not in force, .*0000\.json: /) as string,
    }),
  ]);
});
