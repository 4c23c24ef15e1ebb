/** The page for inspectors: its commands run as they stand there, and its configurations are those that it speaks of. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(__dirname, '../..');
const page = readFileSync(path.join(root, 'docs/images.md'), 'utf8');
const blocksOf = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, block]) => block!);

test('from good pictures to a detector: it learns, each bad part is an event with its picture, and the topic is configured', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-images-'));
  try {
    for (const name of ['dist', 'scripts', 'node_modules', 'backbone'])
      symlinkSync(path.join(root, name), path.join(folder, name));
    const run = (commands: string) =>
      execFileSync('bash', ['-ec', `vaemon() { node dist/main.js "$@"; }\n(${commands}) 2>&1`], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, VAEMON_HTTP_PORT: '0', VAEMON_STORE_PATH: path.join(folder, 'store') },
      });
    const [commands] = blocksOf('sh');
    const output = run(commands!);
    expect(output).toContain('"message":"new model in use"');
    expect(output).toMatch(/surprise \d.*anomalous/);
    expect(output).toMatch(/^x \d+-\d+, y \d+-\d+ /m);
    expect(existsSync(path.join(folder, 'var/surface/heat.png'))).toBe(true);

    const events = path.join(folder, 'store/surface/past/events');
    const found = readdirSync(events).map(
      (name) => JSON.parse(readFileSync(path.join(events, name), 'utf8')) as StoredEvent,
    );
    const bad = [5, 11, 17, 23, 29].map((i) => i * 1000 + 120_000);
    for (const at of bad) {
      const event = found.find((one) => one.event.start <= at && at <= one.event.end);
      expect(event?.picture?.jpeg.length).toBeGreaterThan(1000);
      expect(event?.event.peakFile).toMatch(/^\d{4}\.png$/);
    }
    expect(found.length).toBeLessThan(bad.length + 5);

    const [written, topic, products] = blocksOf('yaml');
    expect(readFileSync(path.join(folder, 'var/surface/surface.yaml'), 'utf8')).toBe(written);
    writeFileSync(path.join(folder, 'topic.yaml'), topic!);
    expect(run('vaemon config check topic.yaml')).toContain('no problems; detectors: line-4');
    // Without this the topics are named, and nothing is written to them.
    expect(topic).toContain('sinks: { kafka: { enabled: true, detectionsTopic:');
    writeFileSync(path.join(folder, 'products.yaml'), products!);
    expect(run('vaemon config check products.yaml')).toContain('no problems; detectors: parts');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 900_000);

interface StoredEvent {
  event: { start: number; end: number; peakFile?: string };
  picture?: { jpeg: string };
}
