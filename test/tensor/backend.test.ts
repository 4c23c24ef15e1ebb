import util from 'node:util';
import { openBackend } from '../../src/tensor';

test('tfjs-node can call util.isNullOrUndefined, which Node 23 removed', async () => {
  const legacy = util as { isNullOrUndefined?: (value: unknown) => boolean };
  delete legacy.isNullOrUndefined;
  // Fails where tfjs-node is not installed.
  await openBackend('tfjs-node').catch(() => undefined);
  expect([null, undefined, 0, ''].map((value) => legacy.isNullOrUndefined?.(value))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
