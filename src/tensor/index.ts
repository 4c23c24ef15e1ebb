/** The only door to tfjs: everything else of ours imports tensors from here. */
export { fixedBatchRows, openBackend, scoped, tf, type BackendChoice, type BackendName } from './backend';
export { matMul } from './linear';
export { createRandom, type Random } from './random';
export { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors';
