/** Loads the settings from the text of a detector's file that has not been written yet. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings } from '../../config/load';
import type { DetectorSettings } from '../../config/settings';

/**
 * Checks the text as `vaemon config check` does.
 * @throws ConfigError with every problem
 */
export async function loadText(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<DetectorSettings> {
  const folder = await mkdtemp(join(tmpdir(), 'vaemon-init-'));
  try {
    const path = join(folder, 'proposal.yaml');
    await writeFile(path, text);
    return (await loadSettings(path, { env })).detectors[0]!.settings;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
