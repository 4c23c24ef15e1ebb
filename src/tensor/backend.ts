/** Chooses the tfjs backend: tfjs-node if it is installed, otherwise WebAssembly, otherwise plain JavaScript. */
import { dirname } from 'node:path';
import util from 'node:util';
import { firstLineOf } from '../system/error-text';
import { registerFilterGradient } from './convolution';
import { tf } from './tfjs';

export type BackendName = 'tfjs-node' | 'wasm' | 'cpu';

export interface BackendChoice {
  name: BackendName;
  /** Reason for the choice, for the log and the metric `vaemon_build_info`. */
  reason: string;
}

const attempts: Record<BackendName, () => Promise<void>> = {
  'tfjs-node': async () => {
    // One thread: two processes with a thread pool each would starve each other on small machines.
    process.env['TF_NUM_INTRAOP_THREADS'] ??= '1';
    process.env['TF_NUM_INTEROP_THREADS'] ??= '1';
    process.env['TF_ENABLE_ONEDNN_OPTS'] ??= '0';
    process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
    // Node 23 removed util.isNullOrUndefined, which tfjs-node calls. It is added to the module itself, as `import *` yields a
    // copy.
    const legacy = util as { isNullOrUndefined?: (value: unknown) => boolean };
    legacy.isNullOrUndefined ??= (value) => value === null || value === undefined;
    // The package is optional, so the compiler must not look for its types.
    const optional: string = '@tensorflow/tfjs-node';
    await import(optional);
    await use('tensorflow');
  },
  wasm: async () => {
    const { setThreadsCount, setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
    setThreadsCount(1);
    await use('wasm');
    registerFilterGradient('wasm');
  },
  cpu: async () => {
    await import('@tensorflow/tfjs-backend-cpu');
    await use('cpu');
  },
};

async function use(tfjsName: string): Promise<void> {
  if (!(await tf.setBackend(tfjsName))) throw new Error(`tfjs backend ${tfjsName} did not start`);
  await tf.ready();
}

/**
 * Starts the best available backend, or the given one.
 * @throws Error that lists every backend that was tried, with the reason why it did not start
 */
export async function openBackend(wanted: BackendName | 'auto' = 'auto'): Promise<BackendChoice> {
  // Skips slow checks and a banner that advertises another backend.
  tf.enableProdMode();
  const order: BackendName[] = wanted === 'auto' ? ['tfjs-node', 'wasm', 'cpu'] : [wanted];
  const failures: string[] = [];
  for (const name of order) {
    try {
      await attempts[name]();
      return { name, reason: failures.length === 0 ? 'first choice' : failures.join('; ') };
    } catch (error) {
      failures.push(`${name}: ${firstLineOf(error)}`);
    }
  }
  throw new Error(`no tfjs backend starts (${failures.join('; ')})`);
}

/** Runs `compute` and frees every tensor that it creates, a returned one included. */
export function scoped<T>(compute: () => T): T {
  const engine = tf.engine();
  engine.startScope();
  try {
    return compute();
  } finally {
    engine.endScope();
  }
}

/**
 * The number of rows that every run of a model must have, so that the result of a row does not depend on the others; undefined
 * if any number is possible. TensorFlow chooses its matrix kernels, and so the order of its sums, by the size of the batch; the
 * WebAssembly and plain JavaScript backends always sum in the same order.
 */
export function fixedBatchRows(): number | undefined {
  return tf.getBackend() === 'tensorflow' ? 64 : undefined;
}
