/** Versions of vaemon and of the packages that its models depend on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tf } from '../tensor';

/** From package.json, two folders above this one in src/ and in dist/. */
export function vaemonVersion(): string {
  return versionIn('package.json');
}

/** Version of an optional package; undefined if it is not installed. */
export function installedVersion(name: string): string | undefined {
  try {
    return versionIn(`node_modules/${name}/package.json`);
  } catch {
    return undefined;
  }
}

/** Versions of the software that writes a model version, for its manifest. */
export function packageVersions(): Record<string, string> {
  const onnxRuntime = installedVersion('onnxruntime-node');
  return {
    vaemon: vaemonVersion(),
    node: process.versions.node,
    '@tensorflow/tfjs-core': tf.version_core,
    ...(onnxRuntime !== undefined && { 'onnxruntime-node': onnxRuntime }),
  };
}

function versionIn(file: string): string {
  const text = readFileSync(join(__dirname, '../..', file), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
