import type { Detection } from '../../../src/domain/detection';
import { encodeDeadLetter, encodeDetection, sizeOf } from '../../../src/sinks/kafka/messages';
import type { DeadLetter } from '../../../src/sinks/sink';

const detection: Detection = {
  detector: 'pump',
  key: 'pump-3',
  timestamp: 0,
  origin: { topic: 'sensors', partition: 0, offset: '1' },
  surprise: 1,
  threshold: 3,
  targetThreshold: 3,
  anomalous: false,
  extrapolated: false,
  limits: [],
  statistics: { reconstruction: NaN },
  contributions: [],
  modelVersion: 'v1',
};
const letter: DeadLetter = {
  detector: 'pump',
  reason: 'too_large',
  message: 'm'.repeat(5_000),
  origin: detection.origin,
  key: Buffer.alloc(10_000, 'k'),
  value: Buffer.alloc(1_000, 'v'),
};

test('values that JSON cannot represent become null, and the rest stays readable', () => {
  const value = JSON.parse(
    encodeDetection({ ...detection, surprise: Infinity }).value as string,
  ) as Detection;
  expect(value.surprise).toBeNull();
  expect(value.statistics).toEqual({ reconstruction: null });
});

test('a time that is no date stays a number', () => {
  const value = JSON.parse(encodeDetection({ ...detection, timestamp: 1e300 }).value as string) as object;
  expect(value).toMatchObject({ timestamp: null, timestampMs: 1e300 });
});

test('a dead letter is bounded in its value, its key and its message', () => {
  const { key, value, headers } = encodeDeadLetter(letter, 100);
  expect(value).toHaveLength(100);
  expect(key).toHaveLength(4_096);
  expect(headers!['message']).toHaveLength(1_000);
  expect(headers).toMatchObject({ truncated: 'true', 'original-bytes': '1000', 'truncated-key': 'true' });
});

test('a value that just fits is not cut', () => {
  const { value, headers } = encodeDeadLetter(letter, 1_000);
  expect(value).toEqual(letter.value);
  expect(headers).not.toHaveProperty('truncated');
});

test('the size counts key, value and headers', () => {
  const message = { key: 'ä', value: Buffer.alloc(100), headers: { name: 'text' } };
  expect(sizeOf(message)).toBeGreaterThanOrEqual(2 + 100 + 8);
  expect(sizeOf(message)).toBeLessThan(2 + 100 + 8 + 60);
  expect(sizeOf({ key: null, value: null })).toBeLessThan(60);
});
