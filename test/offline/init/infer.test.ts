/** What is proposed for a sample of records. */
import { infer, type Proposal } from '../../../src/offline/init/inference/infer';
import { UnusableSampleError } from '../../../src/offline/init/inference/unusable';
import { nameOf, pathText } from '../../../src/offline/init/inference/sample';
import { windowLength, windowTtl } from '../../../src/offline/init/inference/window';
import { debezium, interleaved, pumps, sampleOf, t0, telegraf } from './samples';

function summary({ time, device, channels, valuesPath, conditions, conditionsPath, unused }: Proposal) {
  return {
    time: time.field === undefined ? undefined : pathText(time.field.column.path),
    key: device.column === undefined ? undefined : pathText(device.column.path),
    devices: device.devices,
    values: pathText(valuesPath),
    channels: channels.map(nameOf),
    conditions: conditions.map(({ path }) => pathText(path)),
    conditionsPath: pathText(conditionsPath),
    unused: unused.map(({ field }) => field),
  };
}

const proposed = (records: readonly object[]) => summary(infer(sampleOf(records)));

test('nested records: time, device, channels and mode are found; site, firmware and sequence number are none of them', () => {
  const proposal = infer(sampleOf(pumps()));
  expect(summary(proposal)).toEqual({
    time: 'ts',
    key: 'device.id',
    devices: 4,
    values: 'm',
    channels: ['flow', 'temp_c', 'energy_kwh'],
    conditions: ['state.mode'],
    conditionsPath: 'state',
    unused: ['device.site', 'fw', 'seq'],
  });
  expect(proposal.counters).toEqual(['m.energy_kwh']);
  expect(proposal.cadence).toMatchObject({
    intervalMs: 30_000,
    isRegular: true,
    duplicates: 0,
    outOfOrder: 0,
  });
  expect(proposal.doubts).toEqual({});
  expect([windowLength(proposal), windowTtl(proposal)]).toEqual([10, 900_000]);
});

test("the shape of Telegraf's JSON: fields are channels, a tag is the device, a load average is none", () => {
  expect(proposed(telegraf())).toMatchObject({
    time: 'timestamp',
    key: 'tags.host',
    devices: 3,
    values: 'fields',
    channels: ['usage_idle', 'usage_user'],
    conditions: [],
    unused: ['fields.load1', 'name', 'tags.cpu'],
  });
});

test("the shape of Debezium's change events: the row after the change, with its own time", () => {
  expect(proposed(debezium())).toMatchObject({
    time: 'after.measured_at',
    key: 'after.machine_id',
    devices: 3,
    values: 'after',
    channels: ['torque', 'speed'],
  });
});

test('a column of a CSV file that is 0 or 1 and called anomaly is a label, and consecutive numbers are an index', () => {
  const records = Array.from({ length: 200 }, (_, i) => ({
    '': i,
    timestamp: new Date(t0 + i * 1000).toISOString(),
    pressure: Math.sin(i),
    row: i,
    anomaly: i > 150 ? 1 : 0,
    machine_status: i > 150 ? 'BROKEN' : 'NORMAL',
  }));
  const { unused, channels } = infer(sampleOf(records));
  expect(channels.map(nameOf)).toEqual(['pressure']);
  expect(unused).toEqual([
    { field: '', reason: 'it looks like an index: it counts records' },
    { field: 'row', reason: 'it looks like an index: it counts records' },
    { field: 'anomaly', reason: 'it looks like a label: 1 for anomalous records' },
    {
      field: 'machine_status',
      reason: expect.stringContaining('report faults, by its value "NORMAL"') as string,
    },
  ]);
});

test.each([
  ['mode', ['Normal', 'Eco'], undefined],
  ['mode', ['Normal', 'Eco', 'Fault'], 'it seems to report faults, by its value "Fault"'],
  ['comment', ['Normal', 'Eco'], 'it seems to report faults, by its value "Normal"'],
  ['alarm_text', ['a', 'b'], 'it seems to report faults, by its name'],
])('whether %s with the texts %j is a mode or reports faults', (field, texts, reason) => {
  const records = Array.from({ length: 200 }, (_, i) => ({
    timestamp: new Date(t0 + i * 1000).toISOString(),
    pressure: Math.sin(i),
    [field]: texts[Math.floor(i / 20) % texts.length],
  }));
  const { unused, conditions } = infer(sampleOf(records));
  expect(conditions).toHaveLength(reason === undefined ? 1 : 0);
  expect(unused.map(({ reason: why }) => why)).toEqual(
    reason === undefined ? [] : [expect.stringContaining(reason)],
  );
});

test('a device that only the times reveal is found without a telling name, and marked', () => {
  const records = interleaved(100, 3, (i, device, normal) => ({
    time: t0 / 1000 + i * 60,
    where: ['a', 'b', 'c'][device],
    value: normal(),
  }));
  const { device, doubts } = infer(sampleOf(records));
  expect([device.column?.path, device.devices]).toEqual([['where'], 3]);
  expect(doubts['fields.key']?.[0]).toContain('only for its name or its values');
});

test('a device that two fields name together is reported; where it costs most records, nothing is proposed', () => {
  const disks = (hosts: number) =>
    interleaved(100, 3 * hosts, (i, device, normal) => ({
      time: t0 / 1000 + i * 60,
      host: `h${device % hosts}`,
      disk: `d${Math.floor(device / hosts)}`,
      used: normal(),
    }));
  expect(infer(sampleOf(disks(2))).doubts['fields.key']?.join()).toContain('another field may be needed');
  expect(() => infer(sampleOf(disks(3)))).toThrow('join several');
  expect(infer(sampleOf(disks(3)), { key: 'host' }).device.devices).toBe(3);
});

test('one device without a name is no device field', () => {
  const records = interleaved(200, 1, (i, _, normal) => ({ timestamp: t0 + i * 5000, value: normal() }));
  expect(infer(sampleOf(records)).device).toMatchObject({ column: undefined, devices: 1, isSure: true });
});

test('times without a zone are taken as UTC, and marked; numbers that are no dates are seconds, and marked', () => {
  const zoneless = Array.from({ length: 50 }, (_, i) => ({
    timestamp: `2014-02-14 14:${10 + i}:00`,
    value: i % 7,
  }));
  const { time, doubts, cadence } = infer(sampleOf(zoneless));
  expect([time.field?.timeZone, cadence.intervalMs]).toEqual(['UTC', 60_000]);
  expect(doubts['fields.timeZone']).toHaveLength(1);
  const elapsed = Array.from({ length: 50 }, (_, i) => ({ time: i * 0.25, value: i % 7 }));
  const started = infer(sampleOf(elapsed));
  expect([started.time.field?.format, started.cadence.intervalMs]).toEqual(['s', 250]);
  expect(started.doubts['fields.timestampFormat']).toHaveLength(1);
});

const every = (stepMs: number, text: (time: Date) => string) =>
  sampleOf(
    Array.from({ length: 60 }, (_, i) => ({
      date: text(new Date(Date.UTC(2026, 2, 1) + i * stepMs)),
      value: i % 7,
    })),
  );
const [year, month, day] = [
  (time: Date) => String(time.getUTCFullYear()),
  (time: Date) => String(time.getUTCMonth() + 1).padStart(2, '0'),
  (time: Date) => String(time.getUTCDate()).padStart(2, '0'),
];
const clock = (time: Date) => time.toISOString().slice(11, 19);

test.each([
  ['dd.MM.yyyy HH:mm:ss', (time: Date) => `${day(time)}.${month(time)}.${year(time)} ${clock(time)}`],
  ['dd/MM/yyyy HH:mm:ss', (time: Date) => `${day(time)}/${month(time)}/${year(time)} ${clock(time)}`],
  ['MM/dd/yyyy HH:mm:ss', (time: Date) => `${month(time)}/${day(time)}/${year(time)} ${clock(time)}`],
  ['dd-MMM-yyyy HH:mm:ss', (time: Date) => `${day(time)}-Mar-${year(time)} ${clock(time)}`],
  ['yyyy/MM/dd HH:mm:ss', (time: Date) => `${year(time)}/${month(time)}/${day(time)} ${clock(time)}`],
])('the pattern %s is found, and its records follow one another evenly', (format, text) => {
  const { time, cadence, doubts } = infer(every(3_600_000, text));
  expect([time.field?.format, cadence.intervalMs]).toEqual([format, 3_600_000]);
  expect(doubts['fields.timeZone']).toHaveLength(1);
});

test('where day and month can be swapped, that is said', () => {
  const within = infer(every(60_000, (time) => `${day(time)}/${month(time)}/${year(time)} ${clock(time)}`));
  expect(within.time.field?.format).toBe('dd/MM/yyyy HH:mm:ss');
  expect(within.doubts['fields.timestampFormat']?.join()).toContain('MM/dd/yyyy HH:mm:ss fits, too');
  const days = infer(every(86_400_000, (time) => `${day(time)}/${month(time)}/${year(time)} ${clock(time)}`));
  expect(days.doubts['fields.timestampFormat']).toBeUndefined();
});

test.each([
  ['of another form', (i: number) => `2020-W01-${1 + (i % 7)}`, 'ISO 8601'],
  [
    'that is a serial date of a spreadsheet',
    (i: number) => 46_082 + i / 1440,
    'serial date of a spreadsheet',
  ],
])('a time %s is not used, with its reason', (_, date, reason) => {
  const records = Array.from({ length: 50 }, (__, i) => ({ date: date(i), value: i % 7 }));
  const { time, unused } = infer(sampleOf(records));
  expect(time.field).toBeUndefined();
  expect(unused).toEqual([{ field: 'date', reason: expect.stringContaining(reason) as string }]);
});

test('repeated, late and missing records and values are counted', () => {
  const records = pumps(100);
  records.splice(100, 0, records[96]!);
  records.push(records[0]!);
  const { cadence, incomplete } = infer(
    sampleOf(
      records.map((record, i) =>
        i % 10 === 0 ? { ...record, m: { flow: null, temp_c: 40.5, energy_kwh: i } } : record,
      ),
    ),
  );
  expect(cadence).toMatchObject({ duplicates: 1, outOfOrder: 1 });
  expect(incomplete).toEqual({ flow: 41 });
});

test('a file that is sorted by device is marked: its first records are not its oldest', () => {
  const records = pumps(100);
  const sorted = [0, 1, 2, 3].flatMap((device) => records.filter((_, i) => i % 4 === device));
  expect(infer(sampleOf(sorted)).doubts['source.file.historyRecords']).toHaveLength(1);
  expect(infer(sampleOf(records)).doubts['source.file.historyRecords']).toBeUndefined();
});

test('records of several kinds are reported, with the field that names the kind', () => {
  const mixed = telegraf(100).flatMap((record, i) => [
    record,
    { ...record, name: 'mem', tags: { host: `web-${i % 3}` }, fields: { used_percent: 50 + (i % 7) } },
  ]);
  expect(infer(sampleOf(mixed)).doubts['record.channels']?.join()).toContain(
    'the records are of 2 kinds, by name (cpu in 50 %, mem in 50 %)',
  );
  expect(infer(sampleOf(telegraf())).doubts['record.channels']).toBeUndefined();
});

test('50,000 devices are counted within seconds, and get room', () => {
  const proposal = infer(
    sampleOf(
      interleaved(2, 50_000, (i, device) => ({
        timestamp: t0 + i * 60_000,
        key: `d${device}`,
        value: device / 7 + i,
      })),
    ),
  );
  expect([proposal.device.devices, windowLength(proposal)]).toEqual([50_000, 2]);
}, 20_000);

test('a list of as many numbers each time is a channel for each', () => {
  const records = interleaved(60, 1, (i, _, normal) => ({
    timestamp: t0 + i * 1000,
    key: 'a',
    values: [normal(), normal(), 1],
  }));
  expect(infer(sampleOf(records))).toMatchObject({ valuesPath: ['values'], listLength: 3 });
});

test('few records of many devices get short windows', () => {
  const records = interleaved(6, 500, (i, device, normal) => ({
    timestamp: t0 + i * 1000,
    device_id: `d${device}`,
    value: normal(),
  }));
  const proposal = infer(sampleOf(records));
  expect([proposal.device.devices, windowLength(proposal)]).toEqual([500, 2]);
});

test('choices of a person take precedence', () => {
  const proposal = infer(sampleOf(pumps()), { key: 'device.site', conditions: [], without: ['temp_c'] });
  expect(summary(proposal)).toMatchObject({
    key: 'device.site',
    conditions: [],
    channels: ['flow', 'energy_kwh'],
  });
  expect(() => infer(sampleOf(pumps()), { key: 'nosuch' })).toThrow('no record has the field "nosuch"');
});

test.each([
  ['no records', [], 'no readable record'],
  ['nothing but nulls', Array.from({ length: 9 }, () => ({ a: null, b: null })), 'no value in any record'],
  [
    'records in the reverse order of time',
    Array.from({ length: 60 }, (_, i) => ({ time: t0 - i * 1000, a: i % 7 })),
    'sort them by time',
  ],
  [
    'records of one time',
    Array.from({ length: 60 }, (_, i) => ({ time: t0, a: i % 7 })),
    'all records have the same time',
  ],
  ['numbers with a unit', Array.from({ length: 99 }, (_, i) => ({ a: `${i / 2} bar` })), 'such as "0 bar"'],
])('no detector is proposed for %s', (_, records, reason) => {
  expect(() => infer(sampleOf(records))).toThrow(UnusableSampleError);
  expect(() => infer(sampleOf(records))).toThrow(reason);
});

test('records with a field for each device are bounded', () => {
  const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`s${i}`, i + 0.5]));
  const { omittedFields, channels } = infer(sampleOf(Array.from({ length: 5 }, () => wide)));
  expect([channels.length, omittedFields]).toEqual([1000, 1000]);
});

test('numbers that are text are channels, and texts among them missing values', () => {
  const records = Array.from({ length: 60 }, (_, i) => ({
    time: t0 + i * 1000,
    flow: i % 9 === 0 ? 'N/A' : String(i % 7),
    heat: i % 8 === 0 ? 'Bad Input' : i % 5,
    noted: i % 2 === 0 ? `note ${i}` : i,
  }));
  const { channels, numbersAreText, missingTexts, doubts, unused } = infer(sampleOf(records));
  expect(channels.map(nameOf)).toEqual(['flow', 'heat', 'noted']);
  expect([numbersAreText, missingTexts, unused]).toEqual([true, ['N/A', 'Bad Input'], []]);
  expect(doubts['record.texts']).toEqual(['the numbers of flow are text']);
  expect(doubts['record.channels']?.join()).toMatch(
    /heat: 8 records have text in it, which counts as missing: "Bad Input".*noted: 30 records .* are rejected/,
  );
});
