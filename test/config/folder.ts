import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Writes files into a new folder and returns its path; `removeFolders` clears all of them. */
export async function writeFolder(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vaemon-config-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

const folders: string[] = [];

export async function removeFolders(): Promise<void> {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
}

/** The least that a detector must say. */
export function minimalDetector(name = 'pump'): string {
  return [
    `detector: ${name}`,
    'source: { kind: file, file: { path: pump.ndjson } }',
    'record: { channels: [pressure, flow] }',
    '',
  ].join('\n');
}
