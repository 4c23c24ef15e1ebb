/** The only module that imports ONNX Runtime, which is optional. */
import { types } from 'node:util';
import type * as ort from 'onnxruntime-node';
import { firstLineOf } from '../system/error-text';

type Ort = typeof ort;

/** Tensors by name. */
export type Feeds = Readonly<
  Record<string, { readonly data: Float32Array; readonly shape: readonly number[] }>
>;

/** A loaded graph. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whether the session computes on a separate thread. */
  readonly onThread: boolean;
  /**
   * Computes the wanted outputs. Only one run at a time; the data of the feeds must not change until it resolves. Feeds that
   * the graph does not read are ignored.
   * @param into arrays that receive outputs; other outputs get new arrays
   */
  run(feeds: Feeds, wanted: readonly string[], into?: Feeds): Promise<Record<string, Float32Array>>;
  release(): Promise<void>;
}

/** Opens the bytes of a `.onnx` file. */
export type OpenSession = (bytes: Uint8Array) => Promise<Session>;

let loading: Promise<Ort> | undefined;

/**
 * Loads the package once.
 * @throws Error if it is not installed, or has no build for this machine
 */
export function loadOnnxRuntime(): Promise<Ort> {
  // The name is a variable, because the compiler must not resolve a package that may be absent.
  const optional: string = 'onnxruntime-node';
  return (loading ??= import(optional) as Promise<Ort>);
}

/** The reason why ONNX Runtime does not load on this machine; undefined if it loads. */
export async function whyNoOnnxRuntime(): Promise<string | undefined> {
  try {
    await loadOnnxRuntime();
    return undefined;
  } catch (error) {
    return firstLineOf(error);
  }
}

/** With two threads, each waits for the other at every node, and both wait for other work on the machine. */
const options = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Errors only: warnings are for the developers of ONNX Runtime.
  logSeverityLevel: 3,
} as const satisfies ort.InferenceSession.SessionOptions;

/** Opens a session that computes on the calling thread. */
export const openSession: OpenSession = async (bytes) => {
  const { InferenceSession, Tensor } = await loadOnnxRuntime();
  const session = await InferenceSession.create(bytes, options);
  const copies = new Map<string, Float32Array>();

  /** A copy of shared memory, which the native binding rejects. */
  function unshared(name: string, data: Float32Array): Float32Array {
    if (!types.isSharedArrayBuffer(data.buffer)) return data;
    let copy = copies.get(name);
    if (copy === undefined || copy.length < data.length)
      copies.set(name, (copy = new Float32Array(data.length)));
    copy.set(data);
    return copy.subarray(0, data.length);
  }

  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    onThread: false,
    async run(feeds, wanted, into = {}) {
      const tensors = Object.fromEntries(
        session.inputNames.map((name) => {
          const { data, shape } = feeds[name]!;
          return [name, new Tensor('float32', unshared(name, data), shape)];
        }),
      );
      const fetches = Object.fromEntries(
        wanted.map((name) => {
          const receiver = into[name];
          return [name, receiver === undefined ? null : new Tensor('float32', receiver.data, receiver.shape)];
        }),
      );
      const results = await session.run(tensors, fetches);
      return Object.fromEntries(wanted.map((name) => [name, results[name]!.data as Float32Array]));
    },
    release: () => session.release(),
  };
};
