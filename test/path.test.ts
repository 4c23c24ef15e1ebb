/** The pages that lead from the demo to operation: each names its place, and links on. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

describe('the path of the pages', () => {
  const root = path.join(__dirname, '..');
  const steps = ['README.md', 'docs/init.md', 'docs/prometheus.md', 'docs/kubernetes.md', 'docs/operate.md'];
  const page = (name: string) => readFileSync(path.join(root, name), 'utf8');

  test.each(steps.slice(1).map((name, i): [string, number] => [name, i + 2]))(
    '%s begins with its place, step %d',
    (name, step) => {
      const [, , place] = page(name).split('\n');
      expect(place).toMatch(new RegExp(`^_Step ${step} of ${steps.length}: `));
      for (const other of steps.filter((one) => one !== name))
        expect(page(name)).toContain(path.basename(other));
    },
  );

  test.each([...steps, 'docs/comparison.md', 'docs/install.md'])('%s links to files that exist', (name) => {
    const links = [...page(name).matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, link]) => link!);
    const local = links.filter((link) => !link.includes('://'));
    expect(local.length).toBeGreaterThan(0);
    const missing = local.filter((link) => !existsSync(path.join(root, path.dirname(name), link)));
    expect(missing).toEqual([]);
  });
});
