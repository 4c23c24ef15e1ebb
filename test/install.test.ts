import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(__dirname, '..');

/**
 * npm runs the install scripts of the packages that the lock file marks so. The script of onnxruntime-node would download the
 * libraries of a graphics card, which vaemon does not use.
 */
test('npm does not run the install script of onnxruntime-node', () => {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  expect(lock.packages['node_modules/onnxruntime-node']).toBeDefined();
  expect(lock.packages['node_modules/onnxruntime-node']).not.toHaveProperty('hasInstallScript');
});

test('.npmrc has no key that npm does not know, as npm would warn at each start', () => {
  const keys = readFileSync(path.join(root, '.npmrc'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('=')[0]);
  expect(keys).toEqual(['fund', 'audit']);
});
