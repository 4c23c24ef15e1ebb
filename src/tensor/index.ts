/** The only module through which the other folders import tfjs. */
export { fixedBatchRows, openBackend, scoped, type BackendChoice, type BackendName } from './backend';
export { matMul } from './linear';
export { createRandom, createTensorRandom, type Draw, type Random } from './random';
export {
  recordKernels,
  type KernelCall,
  type RecordedConstant,
  type RecordedValue,
  type Recording,
  type ValueType,
} from './recording';
export { decodeSafetensors, encodeSafetensors, type StoredTensor } from './safetensors';
export { tf } from './tfjs';
