import type { HistoryRange } from '../../../src/sources/history';
import { createPrometheusHistory } from '../../../src/sources/prometheus/history';
import {
  clientOf,
  createSimulatedClock,
  sourceSettings,
  startFakePrometheus,
  stopFakes,
  type FakePrometheus,
  type FakeSeries,
} from './fake-prometheus';

const stepMs = 10_000;
const start = Date.UTC(2026, 0, 1);
const at = (step: number): number => start + step * stepMs;

const device = (instance: string, from: number, to: number): FakeSeries => ({
  labels: { instance },
  at: (time) => (time >= at(from) && time < at(to) ? 1 : undefined),
});

let prometheus: FakePrometheus;
beforeEach(async () => (prometheus = await startFakePrometheus({ cpu: [device('a', 0, 1e9)] })));
afterEach(stopFakes);

/** Reads at step 30,000, whose records are due up to 29,997. */
async function read(range: Partial<HistoryRange>) {
  const clock = createSimulatedClock(at(30_000));
  // Its pauses take no time.
  void clock.goTo(at(40_000));
  const frozen = { ...clock, now: () => at(30_000) };
  const steps: number[] = [];
  const blocks = new Map<string, number>();
  let chunkSize = 0;
  const history = createPrometheusHistory(clientOf(prometheus), sourceSettings, frozen);
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords: 1e6, ...range })) {
    chunkSize = Math.max(chunkSize, chunk.length);
    blocks.set(chunk.block!, (blocks.get(chunk.block!) ?? 0) + chunk.length);
    expect(chunk.some(({ warmUp }) => warmUp)).toBe(false);
    for (const { timestamp } of chunk) steps.push((timestamp - start) / stepMs);
  }
  return { steps, blocks, chunkSize };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('the history ends with the newest step that is due, in order, in requests of a bounded size', async () => {
  const { steps, chunkSize } = await read({ from: at(0) - 1 });
  expect(steps).toEqual(range(0, 29_997));
  expect(chunkSize).toBe(1000);
  const points = prometheus.requests.map(({ start: from, end, step }) => (end - from) / step + 1);
  expect(points.reduce((sum, one) => sum + one)).toBe(29_998);
  expect(Math.max(...points)).toBe(11_000);
});

test('the times of a range are bounds: the first is in it, the second is not', async () => {
  expect((await read({ from: at(10), to: at(20) })).steps).toEqual(range(10, 19));
  expect((await read({ from: at(10) + 1, to: at(20) + 1 })).steps).toEqual(range(11, 20));
  expect((await read({ from: at(20), to: at(20) })).steps).toEqual([]);
});

test('of too many records the newest are kept, and older ones are not asked for', async () => {
  prometheus.series['cpu'] = [device('a', 0, 1e9), device('b', 0, 1e9)];
  const { steps } = await read({ from: at(0), maxRecords: 201 });
  expect(steps).toEqual([29_897, ...range(29_898, 29_997).flatMap((step) => [step, step])]);
  expect(Math.min(...prometheus.requests.map(({ start: from }) => from))).toBeGreaterThan(at(29_500));
});

test('blocks spread over the whole range, and keep to the number of records', async () => {
  prometheus.series['cpu'] = [device('a', 0, 1e9), device('b', 0, 1e9)];
  const shares: number[] = [];
  const { steps, blocks } = await read({
    from: at(0),
    maxRecords: 2_000,
    blocks: 10,
    onShare: (share) => shares.push(share),
  });
  expect([...blocks.values()]).toEqual(Array(10).fill(200));
  expect(steps).toEqual([...steps].sort((a, b) => a - b));
  expect(steps[0]).toBeLessThan(3_000);
  expect(steps.at(-1)).toBe(29_997);
  expect(shares).toEqual([1000 / 29_998]);
});

test('stretches without samples are passed', async () => {
  prometheus.series['cpu'] = [device('a', 100, 200), device('a', 25_000, 25_010)];
  expect((await read({ from: at(0) })).steps).toEqual([...range(100, 199), ...range(25_000, 25_009)]);
});

test('a server that refuses now and then costs nothing but time; one that always does ends the history', async () => {
  prometheus.refuse(503, 429, 500);
  expect((await read({ from: at(29_000) })).steps).toEqual(range(29_000, 29_997));
  prometheus.refuse(...Array<number>(20).fill(503));
  await expect(read({ from: at(29_000) })).rejects.toThrow('HTTP 503 (status 503)');
});
