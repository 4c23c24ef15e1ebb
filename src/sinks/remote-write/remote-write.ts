/**
 * Scores as series of Prometheus, by remote write: surprise and threshold of each device, and what the model expects of each
 * channel. They are sent later than they are accepted, so that no record waits for them.
 */
import type { ObserveRecord } from '../../domain/witnessed-record';
import type { Logger } from '../../logger';
import { createDelivery, type NotificationCounts } from '../notification/delivery';
import { send, type EndpointSettings } from '../notification/endpoint';
import { systemTiming, type Timing } from '../notification/timing';
import type { Sink } from '../sink';
import { encodeWriteRequest, writeHeaders, type WrittenSeries } from './write-request';

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

/** Samples after which a request is sent before the interval is over. */
const maxSamples = 10_000;

/** Time for the requests that wait when the process stops, ms. */
const closeGraceMs = 5_000;

type Sample = [time: number, value: number];

export function createRemoteWriteSink(options: RemoteWriteOptions): Sink & { observe: ObserveRecord } {
  const { settings, detector, counts, log, timing = systemTiming } = options;
  const { keyLabel, maxDevices, intervalMs, maxQueued } = settings;
  const url = new URL(settings.url);
  const known = new Set<string>();
  let pending = new Map<string, WrittenSeries & { samples: Sample[] }>();
  let samples = 0;
  let areLeftOut = false;
  let values = new Float32Array();

  const delivery = createDelivery<readonly WrittenSeries[]>({
    async send(series, signal) {
      const body = await encodeWriteRequest(series);
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

  function add(name: string, key: string, channel: string | undefined, time: number, value: number): void {
    if (Number.isNaN(value)) return;
    const id = JSON.stringify([name, key, channel]);
    let series = pending.get(id);
    if (series === undefined) {
      const labels = { __name__: name, detector, [keyLabel]: key, ...(channel !== undefined && { channel }) };
      pending.set(id, (series = { labels, samples: [] }));
    }
    series.samples.push([time, value]);
    samples++;
  }

  /** Whether the device is one of those that have series. */
  function hasRoom(key: string): boolean {
    if (known.has(key)) return true;
    if (known.size < maxDevices) return known.add(key).has(key);
    if (!areLeftOut)
      log.warn('devices have no series: there are more than sinks.remoteWrite.maxDevices', { maxDevices });
    areLeftOut = true;
    return false;
  }

  return {
    name: 'remoteWrite',
    anomaliesOnly: true,
    notifies: true,
    observe({ key, timestamp, surprise, threshold }, channels, write) {
      if (!hasRoom(key)) return;
      const time = Math.round(timestamp);
      add('vaemon_record_surprise', key, undefined, time, surprise);
      add('vaemon_record_threshold', key, undefined, time, threshold);
      if (values.length < 2 * channels.length) values = new Float32Array(2 * channels.length);
      write(values, 0);
      channels.forEach((channel, j) =>
        add('vaemon_record_expected', key, channel, time, values[channels.length + j]!),
      );
      if (samples >= maxSamples) flush();
    },
    write: () => Promise.resolve(),
    async close() {
      stopping.abort();
      await flushing;
      flush();
      await delivery.close(closeGraceMs);
    },
  };
}
