import { runCli } from '../../src/cli/cli';
import { captureContext } from './capture';

async function doctor(...argv: string[]): Promise<{ text: string; code: number; errors: string }> {
  const captured = captureContext();
  await runCli(['doctor', ...argv], captured.context);
  return { text: captured.stdout(), code: captured.exitCode(), errors: captured.stderr() };
}

test('it says which engine scores and which trains, why, and how fast', async () => {
  const { text, code } = await doctor();
  expect(code).toBe(0);
  expect(text).toMatch(/^scores +onnxruntime +first choice$/m);
  expect(text).toMatch(/^trains +onnxruntime +first choice$/m);
  expect(text).toMatch(/^tensors +(tfjs-node|wasm) +\S/m);
  expect(text).toMatch(/^speed +[\d,]+ windows a second/m);
  expect(text).toMatch(/^onnxruntime-node: works \(\d/m);
});

test('as JSON it says the same, and what is set is the reason', async () => {
  const { text } = await doctor('config/demo', '--json', '--set', 'engine.scoring=tfjs');
  const report = JSON.parse(text) as {
    engines: Record<'scoring' | 'training', { name: string; reason: string }>;
    windowsPerSecond: number;
  };
  expect(report.engines.scoring).toMatchObject({
    name: expect.stringMatching(/^tfjs-/),
    reason: 'engine.scoring',
  });
  expect(report.engines.training.name).toBe('onnxruntime');
  expect(report.windowsPerSecond).toBeGreaterThan(100);
});

test('an engine that is asked for and does not start is an error that says so', async () => {
  const { code, errors } = await doctor('config/demo', '--set', 'engine.tensors=tfjs-node');
  // Where tfjs-node is installed there is nothing to complain of.
  if (code === 0) return;
  expect(errors).toMatch(/tfjs-node/);
});
