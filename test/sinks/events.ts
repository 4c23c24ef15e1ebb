import type { Detection } from '../../src/domain/detection';
import type { AnomalyEvent } from '../../src/domain/event';

export function createEvent(overrides: Partial<AnomalyEvent> = {}): AnomalyEvent {
  return {
    id: 'plant/pump-3/1970-01-01T00:00:10.000Z',
    detector: 'plant',
    key: 'pump-3',
    kind: 'anomaly',
    status: 'open',
    start: 10_000,
    end: 12_000,
    openedAt: 11_000,
    anomalousRecords: 3,
    peakSurprise: 7.123456,
    peakAt: 11_000,
    threshold: 3,
    contributions: [
      {
        channel: 'flow',
        contribution: 9,
        actual: 1.23456789,
        expected: 0.1,
        surprise: 3,
        repeats: 0,
        at: 11_000,
        records: 3,
      },
      {
        channel: 'pressure',
        contribution: 2,
        actual: 1e-9,
        expected: 123_456.789,
        surprise: 3,
        repeats: 0,
        at: 12_000,
        records: 1,
      },
    ],
    limits: [],
    modelVersion: 'v1',
    ...overrides,
  };
}

export function createDetection(timestamp: number, overrides: Partial<Detection> = {}): Detection {
  return {
    detector: 'plant',
    key: 'pump-3',
    timestamp,
    origin: { topic: 't', partition: 0, offset: String(timestamp) },
    surprise: 1,
    threshold: 3,
    targetThreshold: 3,
    anomalous: false,
    extrapolated: false,
    limits: [],
    statistics: {},
    contributions: [],
    modelVersion: 'v1',
    ...overrides,
  };
}
