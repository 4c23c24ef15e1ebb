/** Which labels of series name the device, the channel and conditions. */
import { assignLabels, type LabelledQuery } from '../../../src/offline/init/inference/labels';
import { selectorsOf } from '../../../src/offline/init/inference/selectors';

type Labels = Record<string, string>;

/** Series that all have values at the same times. */
const query = (name: string, all: readonly Labels[]): LabelledQuery => ({
  name,
  series: all.map((labels) => ({ labels, times: [0, 1] })),
});
const each = (names: readonly string[], make: (name: string) => Labels | Labels[]): Labels[] =>
  names.map((name) => make(name)).flat();

test('the label called like a device is the key, if devices differ in it', () => {
  const pushed = each(['s1', 's2'], (sensor) => ({ instance: 'gateway', job: 'push', sensor }));
  expect(assignLabels([query('a', pushed)])).toMatchObject({
    keyLabels: ['sensor'],
    channelLabel: '',
    doubts: [],
  });
  const scraped = each(['h1', 'h2'], (instance) => ({ instance, job: 'node' }));
  expect(assignLabels([query('a', scraped), query('b', scraped)])).toMatchObject({
    keyLabels: ['instance'],
    candidates: ['job'],
  });
});

test('series without labels are one device, and so is a single series', () => {
  expect(assignLabels([query('a', [{}]), query('b', [{ x: 'y' }])])).toMatchObject({ keyLabels: [] });
  expect(assignLabels([query('a', [{ instance: 'only' }])])).toMatchObject({ keyLabels: ['instance'] });
});

test('parts of a device with numbers are devices of their own; sides that all have are channels', () => {
  const cores = each(['h1', 'h2'], (instance) => each(['0', '1'], (cpu) => ({ instance, cpu })));
  expect(assignLabels([query('a', cores)])).toMatchObject({
    keyLabels: ['instance', 'cpu'],
    channelLabel: '',
    doubts: ['"cpu" is part of the device: aggregate where it is not'],
  });
  const sides = each(['h1', 'h2'], (instance) => each(['in', 'out'], (side) => ({ instance, side })));
  expect(assignLabels([query('a', sides)])).toMatchObject({ keyLabels: ['instance'], channelLabel: 'side' });
  // Two queries would have the same channels.
  expect(assignLabels([query('a', sides), query('b', sides)])).toMatchObject({
    keyLabels: ['instance', 'side'],
    channelLabel: '',
  });
});

test('several metrics of a query are channels', () => {
  const metrics = each(['h1', 'h2'], (instance) =>
    each(['x', 'y'], (name) => ({ __name__: name, instance })),
  );
  expect(assignLabels([query('a', metrics)])).toMatchObject({
    keyLabels: ['instance'],
    channelLabel: '__name__',
    doubts: [],
  });
  expect(() => assignLabels([query('a', metrics), query('b', metrics)])).toThrow('returns several metrics');
});

test('a label that changes in the course of time may be a condition', () => {
  const series = (mode: string, times: number[]) => ({ labels: { instance: 'a', mode }, times });
  const queries = [{ name: 'q', series: [series('eco', [0, 1]), series('boost', [2])] }];
  expect(assignLabels(queries)).toMatchObject({
    keyLabels: ['instance'],
    channelLabel: '',
    conditions: ['mode'],
  });
});

test.each<[string, LabelledQuery[], string]>([
  [
    'a label that other queries lack',
    [
      query('a', [{ instance: 'h' }]),
      query('b', [
        { instance: 'h', cpu: '0' },
        { instance: 'h', cpu: '1' },
      ]),
    ],
    'query "b" returns several series for one device, by the label "cpu", which other queries lack',
  ],
  [
    'no common label',
    [
      query(
        'a',
        each(['1', '2'], (x) => ({ x })),
      ),
      query('b', [{}]),
    ],
    'query "a" returns several series for one device, by the label "x", which other queries lack: aggregate them, such as sum by (instance)',
  ],
  [
    'buckets',
    [
      query(
        'a',
        each(['1', '+Inf'], (le) => ({ instance: 'h', le })),
      ),
    ],
    'query "a" returns the buckets of a histogram: apply histogram_quantile',
  ],
])('%s: the reason, and what would help', (_, queries, message) => {
  expect(() => assignLabels(queries)).toThrow(message);
});

test('chosen labels that leave several series for a device are refused with the label that is missing', () => {
  const disks = each(['h1', 'h2'], (instance) => each(['0', '1'], (disk) => ({ instance, disk })));
  expect(() => assignLabels([query('a', disks)], { keyLabels: ['instance'] })).toThrow(
    'several series for one device, by the label "disk"',
  );
});

test.each([
  ['up', ['up']],
  ['rate(cpu_seconds_total{mode="idle", cpu!~"1|2"}[5m])', ['cpu_seconds_total{mode="idle", cpu!~"1|2"}']],
  ['sum by (instance) (rate(a[1m])) / on(instance) group_left(x) b offset 5m', ['a', 'b']],
  ['sum without (cpu) (a) and b unless c or d > bool 2', ['a', 'b', 'c', 'd']],
  ['{__name__=~"a|b", job=\'x"y\'}', ['{__name__=~"a|b", job=\'x"y\'}']],
  ['histogram_quantile(0.99, sum by (le) (rate(x_bucket[1m]))) # of y', ['x_bucket']],
  ['job:http_2xx:rate5m * 1e3 + inf', ['job:http_2xx:rate5m']],
  ['label_replace(a, "x", "$1", "y", "(.*)b{}")', ['a']],
  ['max_over_time((a + a)[5m:1m] @ end())', ['a']],
  ['avg_over_time(by_day[1h])', ['by_day']],
  ['vector(1)', []],
])('the selectors of %s', (expression, selectors) => {
  expect(selectorsOf(expression)).toEqual(selectors);
});
