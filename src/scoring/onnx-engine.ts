/** The scoring engine that runs a traced graph. */
import type { OpenSession, Session } from '../onnx/session';
import { engineRows, type WindowEncoder } from './encode';
import type { OpenEngine, Outputs, ScoringEngine } from './engine';

/**
 * Opens the graph of a model.
 * @param graph the bytes of score.onnx
 * @throws Error if the graph cannot be opened
 */
export async function openGraph(graph: Uint8Array, open: OpenSession): Promise<OpenEngine> {
  const session = await open(graph);
  return ({ inside }, encoder) => createOnnxEngine(session, encoder, inside?.parts ?? 1);
}

/** Maximum number of values in the windows of a run, unless the smallest number of rows has more: bounds memory. */
const valuesAtOnce = 500_000;

/** Number of rows of a run for large windows. It is always the same, and its number of parts is a multiple of `engineRows`. */
const fewestRows = (parts: number): number =>
  [4, 8].find((rows) => (rows * parts) % engineRows === 0) ?? engineRows;

/** @param parts number of rows that the model computes for a window */
function createOnnxEngine(session: Session, encoder: WindowEncoder, parts: number): ScoringEngine {
  const { dim, conditionDim } = encoder;
  const fitting = Math.floor(valuesAtOnce / dim);
  const atOnce = fitting < engineRows ? fewestRows(parts) : engineRows * Math.floor(fitting / engineRows);
  return {
    name: 'onnxruntime',
    onThread: session.onThread,
    async run(encoded, count, wanted) {
      const multiple = Math.min(atOnce, engineRows);
      const rows = Math.ceil(count / multiple) * multiple;
      /** Runs a range of the rows. */
      const run = (from: number, to: number): Promise<Record<string, Float32Array>> => {
        const part = (data: Float32Array, width: number) => ({
          data: data.subarray(from * width, to * width),
          shape: [to - from, width],
        });
        const feeds = {
          x: part(encoded.x, dim),
          mask: part(encoded.mask, dim),
          c: part(encoded.c, conditionDim),
        };
        return session.run(feeds, wanted);
      };
      const outputs = rows <= atOnce ? await run(0, rows) : {};
      for (let from = 0; rows > atOnce && from < rows; from += atOnce) {
        const to = Math.min(rows, from + atOnce);
        for (const [name, values] of Object.entries(await run(from, to))) {
          const width = values.length / (to - from);
          (outputs[name] ??= new Float32Array(rows * width)).set(values, from * width);
        }
      }
      return Object.fromEntries(
        wanted.map((name) => [name, outputs[name]!.subarray(0, (outputs[name]!.length / rows) * count)]),
      ) as Outputs<(typeof wanted)[number]>;
    },
    dispose: () => void session.release().catch(() => undefined),
  };
}
