import type { Series } from '../../../src/sources/prometheus/client';
import {
  toMessages,
  toSteps,
  type QueryResult,
  type SeriesRules,
} from '../../../src/sources/prometheus/records';

const range = { from: 1000, to: 2000, step: 1000 };
const rules: SeriesRules = { keyLabels: ['instance'], channelLabel: '', conditions: [] };

const series = (labels: Record<string, string>, ...values: (string | undefined)[]): Series => ({
  labels,
  samples: values.flatMap((value, i) => (value === undefined ? [] : [[1000 * (i + 1), value] as const])),
});

function recordsOf(results: readonly QueryResult[], given: Partial<SeriesRules> = {}) {
  return toSteps(results, range, { ...rules, ...given }).map(({ time, records }) => ({
    time,
    records: records().map(({ key, value, problem }) => {
      const record = JSON.parse(value.toString()) as Record<string, unknown>;
      expect(record).toMatchObject({ key, timestamp: new Date(time).toISOString() });
      return problem === undefined
        ? [key, record['values'], record['conditions']]
        : [key, problem.reason, problem.message];
    }),
  }));
}

test('series with one key are one record, in the order of the keys; a missing sample is a missing value', () => {
  const results = [
    { name: 'cpu', series: [series({ instance: 'b' }, '1', '2'), series({ instance: 'a' }, '3')] },
    { name: 'memory', series: [series({ instance: 'b', job: 'x' }, '4', undefined)] },
  ];
  expect(recordsOf(results)).toEqual([
    {
      time: 1000,
      records: [
        ['a', { cpu: 3 }, {}],
        ['b', { cpu: 1, memory: 4 }, {}],
      ],
    },
    { time: 2000, records: [['b', { cpu: 2 }, {}]] },
  ]);
});

test('a step without samples has no records, and is there', () => {
  expect(recordsOf([{ name: 'cpu', series: [] }])).toEqual([
    { time: 1000, records: [] },
    { time: 2000, records: [] },
  ]);
});

test('NaN is a missing value; an infinite one rejects the record', () => {
  const results = [{ name: 'cpu', series: [series({ instance: 'a' }, 'NaN', '+Inf')] }];
  expect(recordsOf(results)).toEqual([
    { time: 1000, records: [['a', { cpu: null }, {}]] },
    { time: 2000, records: [['a', 'out_of_range', 'channel "cpu": +Inf is not finite']] },
  ]);
});

test('a label names the channel; a series without it has the name of the query', () => {
  const results = [
    { name: 'cpu', series: [series({ instance: 'a', mode: 'user' }, '1'), series({ instance: 'a' }, '2')] },
  ];
  expect(recordsOf(results, { channelLabel: 'mode' })[0]!.records).toEqual([['a', { user: 1, cpu: 2 }, {}]]);
});

test('a condition is a query, or else a label', () => {
  const results = [
    { name: 'cpu', series: [series({ instance: 'a', rack: 'r1' }, '1')] },
    { name: 'load', series: [series({ instance: 'a' }, '7')] },
  ];
  expect(recordsOf(results, { conditions: ['rack', 'load'] })[0]!.records).toEqual([
    ['a', { cpu: 1 }, { rack: 'r1', load: 7 }],
  ]);
});

test('keys of several labels differ if a label differs', () => {
  const cpu = [
    series({ job: 'a/b', instance: 'c' }, '1'),
    series({ job: 'a', instance: 'b/c' }, '2'),
    series({ job: 'a' }, '3'),
  ];
  const keys = recordsOf([{ name: 'cpu', series: cpu }], { keyLabels: ['job', 'instance'] })[0]!.records.map(
    ([key]) => key,
  );
  expect(keys).toEqual(['a/', 'a/b\\/c', 'a\\/b/c']);
  expect(recordsOf([{ name: 'cpu', series: [series({}, '1')] }], { keyLabels: [] })[0]!.records).toEqual([
    ['all', { cpu: 1 }, {}],
  ]);
});

test('a series without key labels, and two series of one channel, are rejected by name', () => {
  const cpu = [
    series({ job: 'x' }, '1'),
    series({ instance: 'a', le: '1' }, '1'),
    series({ instance: 'a', le: '2' }, '2'),
  ];
  expect(recordsOf([{ name: 'cpu', series: cpu }])[0]!.records).toEqual([
    [
      '',
      'missing_key',
      'a series of query "cpu" has none of source.prometheus.keyLabels (instance): {job="x"}',
    ],
    [
      'a',
      'ambiguous_series',
      'query "cpu" has several series for channel "cpu" of one key, such as {instance="a", le="2"}',
    ],
  ]);
});

test('a message has the evaluation time as its offset', () => {
  const [step] = toSteps([{ name: 'cpu', series: [series({ instance: 'a' }, '1')] }], range, rules);
  expect(toMessages(step!, true)).toEqual([
    {
      key: Buffer.from('a'),
      value: expect.any(Buffer) as Buffer,
      timestamp: 1000,
      origin: { topic: 'prometheus', partition: 0, offset: '1000' },
      warmUp: true,
    },
  ]);
});
