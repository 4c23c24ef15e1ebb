/**
 * Node's environment, with the typed arrays of the process: jest gives each test file a world of its own, and a native addon
 * does not recognise an array of another world.
 */
const { TestEnvironment } = require('jest-environment-node');

const shared = [
  'ArrayBuffer',
  'BigInt64Array',
  'BigUint64Array',
  'Float32Array',
  'Float64Array',
  'Int8Array',
  'Int16Array',
  'Int32Array',
  'SharedArrayBuffer',
  'Uint8Array',
  'Uint8ClampedArray',
  'Uint16Array',
  'Uint32Array',
];

module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    for (const name of shared) this.global[name] = globalThis[name];
  }
};
