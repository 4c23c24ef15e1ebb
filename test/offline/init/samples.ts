/** Records as they are found in the field, each made by a few lines. */
import { createSampleBuilder, type Sample } from '../../../src/offline/init/inference/sample';
import { createRandom } from '../../../src/tensor';

export function sampleOf(records: readonly object[]): Sample {
  const builder = createSampleBuilder();
  records.forEach((record) => builder.add(record));
  return builder.build();
}

export const t0 = Date.UTC(2026, 0, 5);

/** `count` records of each of `devices`, interleaved; `make` gets the step, the device and a normal number. */
export function interleaved(
  count: number,
  devices: number,
  make: (i: number, device: number, normal: () => number) => object,
): object[] {
  const random = createRandom(3);
  return Array.from({ length: count * devices }, (_, n) =>
    make(Math.floor(n / devices), n % devices, () => random.normal()),
  );
}

/** Nested records of pumps with a mode. */
export const pumps = (count = 400): object[] =>
  interleaved(count, 4, (i, device, normal) => ({
    device: { id: `P-00${device}`, site: device < 2 ? 'north' : 'south' },
    ts: t0 + i * 30_000,
    state: { mode: Math.floor(i / 40) % 2 === 0 ? 'eco' : 'boost' },
    m: { flow: 100 + normal(), temp_c: 40 + normal(), energy_kwh: 1000 * (device + 1) + i * 0.7 },
    fw: i < 200 ? '1.4.2' : '1.5.0',
    seq: i,
  }));

/** What Telegraf's `outputs.kafka` writes with `data_format = "json"`. */
export const telegraf = (count = 300): object[] =>
  interleaved(count, 3, (i, device, normal) => ({
    fields: { load1: 1 + normal(), usage_idle: 90 + normal(), usage_user: 8 + normal() },
    name: 'cpu',
    tags: { host: `web-${device}`, cpu: 'cpu-total' },
    timestamp: t0 / 1000 + i * 10,
  }));

/** A change event of Debezium with the schema switched off. */
export const debezium = (count = 300): object[] =>
  interleaved(count, 3, (i, device, normal) => ({
    before: null,
    after: {
      id: i * 3 + device,
      machine_id: 70 + device,
      measured_at: (t0 + i * 60_000) * 1000,
      torque: 12 + normal(),
      speed: 900 + 20 * normal(),
    },
    source: {
      version: '2.5',
      connector: 'postgresql',
      ts_ms: t0 + i * 60_000 + 40,
      lsn: 24_000_000 + i * 96,
      txId: 500 + i,
    },
    op: 'c',
    ts_ms: t0 + i * 60_000 + 90,
  }));
