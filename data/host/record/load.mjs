/**
 * The load generator: Poisson arrivals whose mean follows a slow sine and a
 * wandering level, in one of two declared operating modes. At every whole
 * second it reports what it saw during that second.
 */
import http from 'node:http';
import { createRandom } from './random.mjs';

const [address, port, seed, timeScale] = process.argv.slice(2);
const random = createRandom(Number(seed));
const agent = new http.Agent({ keepAlive: true, maxSockets: 48 });
const MODES = { interactive: { rate: 60 }, batch: { rate: 8 } };
const SINE_PERIOD_MS = 300_000;
const MAX_IN_FLIGHT = 150;
const payload = Buffer.alloc(256 * 1024, 'order,quantity,price;');

let mode = 'interactive';
let scale = 1;
let wander = 0;
let inFlight = 0;
let latencies = [];

const switchMode = () => {
  mode = mode === 'interactive' ? 'batch' : 'interactive';
  setTimeout(switchMode, random.between(60, 180) * 1000 * Number(timeScale));
};
setTimeout(switchMode, random.between(60, 180) * 1000 * Number(timeScale));

function send() {
  if (inFlight >= MAX_IN_FLIGHT) return;
  inFlight += 1;
  const started = performance.now();
  let settled = false;
  const settle = (ok) => {
    if (settled) return;
    settled = true;
    inFlight -= 1;
    if (ok) latencies.push((performance.now() - started) / 1000);
  };
  const isBatch = mode === 'batch';
  const request = http.request(
    {
      host: address,
      port,
      agent,
      method: isBatch ? 'POST' : 'GET',
      path: isBatch ? '/export' : `/item?id=${Math.floor(random.next() ** 2 * 4000)}`,
      timeout: 5_000,
    },
    (response) => {
      response.resume();
      response.on('end', () => settle(true));
      response.on('error', () => settle(false));
    },
  );
  request.on('timeout', () => request.destroy());
  request.on('error', () => settle(false));
  request.on('close', () => settle(false));
  request.end(isBatch ? payload.subarray(0, Math.floor(random.between(64, 256) * 1024)) : undefined);
}

let nextArrival = performance.now();
function pump() {
  const now = performance.now();
  while (nextArrival <= now) {
    send();
    const sine = 1 + 0.35 * Math.sin((2 * Math.PI * now) / SINE_PERIOD_MS);
    const rate = MODES[mode].rate * sine * Math.exp(wander) * scale;
    nextArrival += random.exponential(1000 / rate);
  }
  /* A late wake-up must not become a burst of overdue requests. */
  if (now - nextArrival > 250) nextArrival = now;
  setTimeout(pump, Math.max(1, Math.min(nextArrival - now, 50)));
}
pump();

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
let lastP50 = 0;
let lastP95 = 0;
function report() {
  const second = Math.round(Date.now() / 1000) * 1000;
  const sorted = latencies.sort((a, b) => a - b);
  latencies = [];
  if (sorted.length > 0) {
    lastP50 = quantile(sorted, 0.5);
    lastP95 = quantile(sorted, 0.95);
  }
  wander = 0.9 * wander + 0.04 * random.normal();
  process.send({ type: 'second', second, mode, requests: sorted.length, p50: lastP50, p95: lastP95 });
  setTimeout(report, second + 1000 - Date.now());
}
setTimeout(report, 1000 - (Date.now() % 1000));

process.on('message', (message) => {
  if (message.scale !== undefined) scale = message.scale;
});
process.on('disconnect', () => process.exit(0));
