/** ONNX Runtime, where it is installed: the one place that knows the package. */
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
  /** Whether it computes on another thread than the one that calls it. */
  readonly onThread: boolean;
  /**
   * Computes the outputs that are asked for. One run at a time; until it is through the feeds' data have to stay as they are.
   * What the graph does not read may be fed all the same.
   * @param into arrays that outputs are to be written to; others are new
   */
  run(
    feeds: Feeds,
    wanted: readonly string[],
    into?: Readonly<Record<string, Float32Array>>,
  ): Promise<Record<string, Float32Array>>;
  release(): Promise<void>;
}

/** Opens a `.onnx` file, given as bytes. */
export type OpenSession = (bytes: Uint8Array) => Promise<Session>;

let loading: Promise<Ort> | undefined;

/**
 * Loads the package, once.
 * @throws Error when it is not installed, or there is no build of it for this machine
 */
export function loadOnnxRuntime(): Promise<Ort> {
  // Optional, so its types may be absent, too: the compiler must not look for it.
  const optional: string = 'onnxruntime-node';
  return (loading ??= import(optional) as Promise<Ort>);
}

/** Undefined when ONNX Runtime works here; else why not. */
export async function whyNoOnnxRuntime(): Promise<string | undefined> {
  try {
    await loadOnnxRuntime();
    return undefined;
  } catch (error) {
    return firstLineOf(error);
  }
}

/** One thread: a second one waits for the first in every node, and both for whatever else the machine does. */
const options = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Warnings of its own are for its developers.
  logSeverityLevel: 3,
} as const satisfies ort.InferenceSession.SessionOptions;

/** A session that computes on the thread that calls it. */
export const openSession: OpenSession = async (bytes) => {
  const { InferenceSession, Tensor } = await loadOnnxRuntime();
  const session = await InferenceSession.create(bytes, options);
  const copies = new Map<string, Float32Array>();

  /** The binding refuses shared memory. */
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
          const data = into[name];
          return [name, data === undefined ? null : new Tensor('float32', data, [data.length])];
        }),
      );
      const results = await session.run(tensors, fetches);
      return Object.fromEntries(wanted.map((name) => [name, results[name]!.data as Float32Array]));
    },
    release: () => session.release(),
  };
};
