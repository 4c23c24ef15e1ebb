/**
 * Writes scores as Prometheus series by remote write: surprise and threshold of each device, and for each channel the expected
 * value with the bounds of usual values. Samples are accepted at once and sent later, so that no record waits for them.
 */
import { RunningBand } from '../../domain/band';
import type { ObserveRecord } from '../../domain/witnessed-record';
import type { Logger } from '../../logger';
import { createDelivery, type NotificationCounts } from '../notification/delivery';
import { send, type EndpointSettings } from '../notification/endpoint';
import { systemTiming, type Timing } from '../notification/timing';
import type { Sink } from '../sink';
import {
  encodeLabels,
  encodeWriteRequest,
  writeHeaders,
  type EncodedSeries,
  type Sample,
} from './write-request';

export interface RemoteWriteSettings extends EndpointSettings {
  url: string;
  keyLabel: string;
  maxDevices: number;
  intervalMs: number;
  maxQueued: number;
}

export interface RemoteWriteOptions {
  settings: RemoteWriteSettings;
  detector: string;
  counts: NotificationCounts;
  log: Pick<Logger, 'warn' | 'error'>;
  timing?: Timing;
}

/** Number of samples from which a request is sent before the interval is over. */
const maxSamples = 10_000;

/** Names of the series of each channel. */
const expectedSeries = ['expected', 'expected_lower', 'expected_upper'] as const;

/** A device with series. */
interface Device {
  channels: readonly string[];
  band: RunningBand;
  /** Encoded labels of surprise, threshold, and the expected value and its bounds of each channel. */
  labels: readonly Uint8Array[];
}

/** Records of a device for the next request. */
interface DeviceRecords {
  device: Device;
  /** Unix ms. */
  times: number[];
  /** Surprise, threshold, and the expected values with their bounds of each record. */
  rows: number[];
}

export function createRemoteWriteSink(options: RemoteWriteOptions): Sink & { observe: ObserveRecord } {
  const { settings, detector, counts, log, timing = systemTiming } = options;
  const { keyLabel, maxDevices, intervalMs, maxQueued } = settings;
  const url = new URL(settings.url);
  const devices = new Map<string, Device>();
  let pending = new Map<string, DeviceRecords>();
  let samples = 0;
  let areLeftOut = false;
  let values = new Float32Array();

  const delivery = createDelivery<readonly DeviceRecords[]>({
    async send(records, signal) {
      const body = await encodeWriteRequest(records.flatMap(seriesOf));
      await send(settings, { url, body, headers: writeHeaders, signal });
    },
    maxQueued,
    timing,
    counts,
    log,
  });

  function flush(): void {
    if (pending.size === 0) return;
    delivery.add([...pending.values()]);
    pending = new Map();
    samples = 0;
  }

  const stopping = new AbortController();
  const flushing = (async () => {
    while (!stopping.signal.aborted) {
      await timing.pause(intervalMs, stopping.signal);
      flush();
    }
  })();

  /** The place for the records of a device; undefined if the device has no series. */
  function recordsOf(key: string, channels: readonly string[]): DeviceRecords | undefined {
    const waiting = pending.get(key);
    if (waiting !== undefined && haveSameNames(waiting.device.channels, channels)) return waiting;
    // Another model version may have other channels.
    if (waiting !== undefined) flush();
    const device = deviceOf(key, channels);
    if (device === undefined) return undefined;
    const records = { device, times: [], rows: [] };
    pending.set(key, records);
    return records;
  }

  /** The first `maxDevices` devices have series. */
  function deviceOf(key: string, channels: readonly string[]): Device | undefined {
    const known = devices.get(key);
    if (known !== undefined && haveSameNames(known.channels, channels)) return known;
    if (known === undefined && devices.size >= maxDevices) {
      if (!areLeftOut)
        log.warn('more devices than sinks.remoteWrite.maxDevices: the others have no series', { maxDevices });
      areLeftOut = true;
      return undefined;
    }
    const series = (name: string, channel?: string): Uint8Array =>
      encodeLabels({
        __name__: `vaemon_record_${name}`,
        detector,
        [keyLabel]: key,
        ...(channel !== undefined && { channel }),
      });
    const labels = [
      ...['surprise', 'threshold'].map((name) => series(name)),
      ...channels.flatMap((channel) => expectedSeries.map((name) => series(name, channel))),
    ];
    const device = { channels, band: new RunningBand(channels.length), labels };
    devices.set(key, device);
    return device;
  }

  return {
    name: 'remoteWrite',
    anomaliesOnly: true,
    notifies: true,
    observe({ key, timestamp, surprise, threshold, anomalous }, channels, write) {
      const records = recordsOf(key, channels);
      if (records === undefined) return;
      const count = channels.length;
      if (values.length < 2 * count) values = new Float32Array(2 * count);
      write(values, 0);
      records.times.push(Math.round(timestamp));
      records.rows.push(surprise, threshold);
      const { band } = records.device;
      for (let j = 0; j < count; j++) {
        const expected = values[count + j]!;
        const half = band.halfWidth(j);
        records.rows.push(expected, expected - half, expected + half);
        // Only normal records change the band.
        if (!anomalous) band.add(j, values[j]! - expected);
      }
      samples += 2 + expectedSeries.length * count;
      if (samples >= maxSamples) flush();
    },
    write: () => Promise.resolve(),
    async close() {
      stopping.abort();
      await flushing;
      flush();
      await delivery.close();
    },
  };
}

/** Whether two lists of names are equal; usually they are the same list. */
function haveSameNames(some: readonly string[], others: readonly string[]): boolean {
  return some === others || (some.length === others.length && some.every((name, i) => name === others[i]));
}

/** Values that are unknown get no sample. */
function seriesOf({ device, times, rows }: DeviceRecords): EncodedSeries[] {
  const { labels } = device;
  const all = labels.map((encoded, column): EncodedSeries => {
    const samples = times.map((time, i): Sample => [time, rows[i * labels.length + column]!]);
    return { labels: encoded, samples: samples.filter(([, value]) => !Number.isNaN(value)) };
  });
  return all.filter(({ samples }) => samples.length > 0);
}
