/** The file with the weights of the backbone (backbone/README.md). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeSafetensors } from '../tensor';

const file = join(__dirname, '../../backbone/efficientnet-lite0.safetensors');

/** SHA-256 of the file: other weights would yield other features under the same name. */
const checksum = '6e85fbaa1dfaf814b8b741e792bca0bf7625484363a7e80d672f5d3b40d27030';

/**
 * Kernels and biases by name.
 * @throws Error if the file is missing or damaged
 */
export function readBackbone(path = file): ReadonlyMap<string, Float32Array> {
  const bytes = readFileSync(path);
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== checksum) throw new Error(`${path} is damaged: its SHA-256 is ${found}, not ${checksum}`);
  const { tensors } = decodeSafetensors(bytes);
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
}
