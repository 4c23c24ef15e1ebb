import fc from 'fast-check';
import { formatDuration } from '../../src/schema/durations';
import { brokers, host } from '../../src/schema/network-formats';
import { duration, falseAlarmTarget } from '../../src/schema/time-formats';

const about = { doc: 'for the test', default: '' };

test('every duration is printed as what is read as the same', () => {
  const key = duration(about);
  fc.assert(
    fc.property(fc.nat({ max: 10 ** 11 }), (ms) => {
      expect(key.parse(formatDuration(ms))).toBe(ms);
    }),
  );
});

test.each([
  ['0', 0],
  [0, 0],
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['5 m', 300_000],
  ['14d', 1_209_600_000],
])('%j is a duration of %d ms', (text, ms) => {
  expect(duration(about).parse(text)).toBe(ms);
});

test.each([30, '30', '-5s', '5 minutes', '', null, 'm', '1e3s', ['5s']])('%j is no duration', (value) => {
  expect(() => duration(about).parse(value)).toThrow(/^must be a duration/);
});

test.each([
  [0.001, 0.001],
  ['1e-4', 0.0001],
  ['2 per day', '2 per day'],
  ['2 a day', '2 per day'],
  ['1 per hour', '1 per hour'],
  ['0.5 per week', '0.5 per week'],
])('the target %j is printed as %j', (value, printed) => {
  const key = falseAlarmTarget(about);
  expect(key.print(key.parse(value))).toBe(printed);
});

test.each([0, 1, -0.1, NaN, '0 per day', '2 per days', 'per day', '2', true, null])(
  '%j is no target',
  (value) => {
    expect(() => falseAlarmTarget(about).parse(value)).toThrow(/^must be a ratio/);
  },
);

test.each(['localhost', '0.0.0.0', '::1', 'kafka_1.example.com'])('%s is a host', (value) => {
  expect(host(about).parse(value)).toBe(value);
});

test.each(['', 'a b', 'http://a', '300.1.1.1', 'a..b', '-a', 'a:80'])('%j is no host', (value) => {
  expect(() => host(about).parse(value)).toThrow(/^must be a host name or an IP address/);
});

test('brokers are hosts with a port', () => {
  const key = brokers(about);
  expect(key.parse(['k:9092', '[::1]:9092', '10.0.0.1:1'])).toEqual(['k:9092', '[::1]:9092', '10.0.0.1:1']);
  for (const bad of ['k', 'k:0', 'k:65536', '::1:9092', 'k:9092/x', '[k]:9092', '']) {
    expect(() => key.parse([bad])).toThrow(/item 1 is/);
  }
  expect(() => key.parse('a:1,b:1,a:1')).toThrow('must not name anything twice (got "a:1" twice)');
  expect(key.parse('')).toEqual([]);
});
