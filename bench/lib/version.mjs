/** The model version that a suite has trained, as contenders in other languages need it. */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);

/** The current version in a store. Needs tfjs to have been started. */
export async function readVersion(directory, detector) {
  const { createModelStore } = dist('store/model-store');
  const { decodeModel } = dist('scoring/bundle');
  const store = createModelStore({ directory, detector });
  const version = await store.current();
  const { files } = await store.read(version);
  return { files, ...decodeModel(version, files) };
}

/** Weights by the names that they have here, as safetensors. */
export function writeWeights(model, path) {
  const { encodeSafetensors } = dist('tensor');
  const tensors = [...model.weights].map(([name, variable]) => [
    name,
    { dtype: 'F32', shape: variable.shape, data: variable.dataSync().slice() },
  ]);
  writeFileSync(path, encodeSafetensors(new Map(tensors)));
}

/** From which value on the only statistic of a version is anomalous at a false-alarm target. */
export function thresholdOf({ calibration }, target) {
  const { createSurpriseScale } = dist('calibration/surprise');
  const { surpriseOf } = dist('calibration/threshold');
  const scale = createSurpriseScale(calibration);
  let [low, high] = [0, 1e6];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (surpriseOf(scale.pValue([middle]).p) >= surpriseOf(target)) high = middle;
    else low = middle;
  }
  return high;
}
