import type { Detection } from '../../src/domain/detection';

/** Of a device whose threshold is 3, led by the channel `at-<timestamp>`. */
export function detection(timestamp: number, surprise: number, key = 'pump-1'): Detection {
  return {
    detector: 'plant',
    key,
    timestamp,
    origin: { topic: 't', partition: 0, offset: String(timestamp) },
    surprise,
    threshold: 3,
    targetThreshold: 3,
    anomalous: surprise >= 3,
    extrapolated: false,
    limits: [],
    statistics: {},
    contributions: [
      { channel: `at-${timestamp}`, contribution: 1, actual: 1, expected: 0, surprise: 3, repeats: 0 },
    ],
    modelVersion: 'v1',
  };
}
