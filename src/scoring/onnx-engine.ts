/** A traced graph as the engine that scores. */
import type { OpenSession, Session } from '../onnx/session';
import { engineRows, type WindowEncoder } from './encode';
import type { OpenEngine, Outputs, ScoringEngine } from './engine';

/**
 * Opens the graph of a model.
 * @param graph the bytes of score.onnx
 * @throws Error when they cannot be opened
 */
export async function openGraph(graph: Uint8Array, open: OpenSession): Promise<OpenEngine> {
  const session = await open(graph);
  return (_, encoder) => createOnnxEngine(session, encoder);
}

function createOnnxEngine(session: Session, encoder: WindowEncoder): ScoringEngine {
  const { dim, conditionDim } = encoder;
  return {
    name: 'onnxruntime',
    onThread: session.onThread,
    async run(encoded, count, wanted) {
      const rows = Math.ceil(count / engineRows) * engineRows;
      const part = (data: Float32Array, width: number) => ({
        data: data.subarray(0, rows * width),
        shape: [rows, width],
      });
      const feeds = {
        x: part(encoded.x, dim),
        mask: part(encoded.mask, dim),
        c: part(encoded.c, conditionDim),
      };
      const outputs = await session.run(feeds, wanted);
      return Object.fromEntries(
        wanted.map((name) => [name, outputs[name]!.subarray(0, (outputs[name]!.length / rows) * count)]),
      ) as Outputs<(typeof wanted)[number]>;
    },
    dispose: () => void session.release().catch(() => undefined),
  };
}
