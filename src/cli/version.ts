/** Versions of vaemon and of what its models depend on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tf } from '../tensor';

/** Of package.json, which lies two folders up from here in src/ and in dist/. */
export function vaemonVersion(): string {
  const text = readFileSync(join(__dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Of an optional package, as it is installed; undefined where it is not. */
export function installedVersion(name: string): string | undefined {
  try {
    const text = readFileSync(join(__dirname, '../../node_modules', name, 'package.json'), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** What writes a model version, for its manifest. */
export function packageVersions(): Record<string, string> {
  return {
    vaemon: vaemonVersion(),
    node: process.versions.node,
    '@tensorflow/tfjs-core': tf.version_core,
    ...optional('onnxruntime-node'),
  };
}

function optional(name: string): Record<string, string> {
  const version = installedVersion(name);
  return version === undefined ? {} : { [name]: version };
}
