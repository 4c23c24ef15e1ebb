/**
 * The recorded service: a catalogue with small lookups (GET /item) and large
 * exports (POST /export). It does real work - hashing, compression, log
 * appends, uncached catalogue reads, synced file writes - so that every
 * recorded channel moves, and it bounds everything it keeps, so that none of
 * them drifts.
 *
 * POST /admin/slow?factor=F multiplies the wait for the (simulated) backend;
 * POST /admin/leak?rate=B keeps B more bytes every second, rate=0 lets go.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { gzip } from 'node:zlib';
import { createRandom } from './random.mjs';

const [directory, address, port, seed] = process.argv.slice(2);
const random = createRandom(Number(seed));
const KIB = 1024;
const CATALOGUE_BYTES = 64 * KIB * KIB;
const BLOCK_BYTES = 64 * KIB;
const LOG_BYTES = KIB * KIB;
const CACHE_ENTRIES = 1500;
const HASHED_BYTES = 900 * KIB;

/** Compressible bytes: every other 2 KiB repeats the one before. */
const material = Buffer.concat(
  Array.from({ length: 256 }, () => {
    const noise = randomBytes(2 * KIB);
    return Buffer.concat([noise, noise]);
  }),
);

const cataloguePath = path.join(directory, 'catalogue.bin');
/* O_DIRECT: lookups reach the disk every time, as a database with its own
 * cache would; without it the page cache would hold disk reads at zero.
 * O_DIRECT wants an aligned buffer, which WebAssembly memory is. */
const { O_CREAT, O_DIRECT, O_RDWR } = fs.constants;
const catalogue = fs.openSync(cataloguePath, O_RDWR | O_CREAT | O_DIRECT);
const READ_SLOTS = 32;
const slots = Array.from({ length: READ_SLOTS }, () =>
  Buffer.from(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer, 0, BLOCK_BYTES),
);

for (let written = 0; written < CATALOGUE_BYTES; written += BLOCK_BYTES) {
  material.copy(slots[0], 0, written % material.length);
  fs.writeSync(catalogue, slots[0], 0, BLOCK_BYTES, written);
}
fs.fsyncSync(catalogue);

/* Seconds that file operations have taken in this second. The kernel's own
 * per-task account of disk waits proved unfit (it counts some waits twice). */
let waited = 0;
const timed = async (operation) => {
  const started = performance.now();
  try {
    return await operation;
  } finally {
    waited += (performance.now() - started) / 1000;
  }
};

let readSlot = 0;
const readBlock = (bytes = BLOCK_BYTES) =>
  new Promise((resolve, reject) => {
    const buffer = slots[(readSlot += 1) % READ_SLOTS];
    const blocks = CATALOGUE_BYTES / BLOCK_BYTES;
    const position = Math.floor(random.next() * blocks) * BLOCK_BYTES;
    fs.read(catalogue, buffer, 0, bytes, position, (error) => (error ? reject(error) : resolve(buffer)));
  });

/* The access log starts again from nothing whenever it is full. */
const logFile = fs.openSync(path.join(directory, 'access.log'), 'w');
let logPosition = 0;
let logLines = [];
const flushLog = () => {
  const chunk = Buffer.from(logLines.join(''));
  logLines = [];
  if (chunk.length > 0) {
    const position = logPosition;
    timed(
      new Promise((resolve) => {
        fs.write(logFile, chunk, 0, chunk.length, position, () => fs.fdatasync(logFile, resolve));
      }),
    );
    logPosition += chunk.length;
    if (logPosition > LOG_BYTES) {
      logPosition = 0;
      fs.ftruncate(logFile, 0, () => {});
    }
  }
  setTimeout(flushLog, random.between(250, 700));
};
flushLog();

const cache = new Map();
const remember = (key, value) => {
  if (cache.size >= CACHE_ENTRIES && !cache.has(key)) cache.delete(cache.keys().next().value);
  cache.set(key, value);
};
for (let i = 0; i < CACHE_ENTRIES; i += 1) remember(`seed-${i}`, Buffer.alloc(8 * KIB, i));

let slowFactor = 1;
/** A lognormal backend wait; the slow-handler fault stretches it. */
const backend = (medianMs) =>
  new Promise((resolve) => {
    setTimeout(resolve, medianMs * slowFactor * Math.exp(0.35 * random.normal()));
  });

async function item(id) {
  await backend(6);
  if (random.next() < 0.25) await timed(readBlock(random.next() < 0.5 ? 16 * KIB : 32 * KIB));
  const start = Math.floor(random.next() * (material.length - HASHED_BYTES));
  const digest = createHash('sha256').update(material.subarray(start, start + HASHED_BYTES)).digest('hex');
  if (!cache.has(id)) remember(id, Buffer.alloc(Math.floor(random.between(4, 12) * KIB), digest));
  const rows = Array.from({ length: Math.floor(random.between(10, 40)) }, (_, index) => ({
    id: `${id}-${index}`,
    digest,
    price: Math.round(random.between(1, 1e4)) / 100,
  }));
  logLines.push(`${new Date().toISOString()} GET ${id} ${digest} ${'-'.repeat(160)}\n`);
  return Buffer.from(JSON.stringify(rows));
}

const compress = (data) =>
  new Promise((resolve, reject) => {
    gzip(data, { level: 5 }, (error, out) => (error ? reject(error) : resolve(out)));
  });

let exportSlot = 0;
async function exportBatch(body) {
  await backend(35);
  const working = Buffer.alloc(Math.floor(random.between(1.5, 4) * KIB * KIB));
  for (let i = 0; i < working.length; i += 512 * KIB) body.copy(working, i);
  for (let reads = Math.floor(random.between(2, 7)); reads > 0; reads -= 1) await timed(readBlock());
  const size = Math.floor(random.between(400, 1000) * KIB);
  const packed = await compress(material.subarray(0, size));
  exportSlot = (exportSlot + 1) % 12;
  const file = await fs.promises.open(path.join(directory, `export-${exportSlot}.gz`), 'w');
  try {
    await timed(file.writeFile(packed));
    await timed(file.sync());
  } finally {
    await file.close();
  }
  logLines.push(`${new Date().toISOString()} EXPORT ${packed.length}\n`);
  /* The working set outlives the request for a while, as a real one does. */
  setTimeout(() => working.fill(1, 0, 1), random.between(300, 1500));
  return packed.subarray(0, Math.floor(packed.length * random.between(0.3, 0.7)));
}

const readBody = (request) =>
  new Promise((resolve, reject) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => resolve(Buffer.concat(parts)));
    request.on('error', reject);
  });

let leaked = [];
let leakTimer;
function leak(bytesPerSecond) {
  clearInterval(leakTimer);
  if (bytesPerSecond > 0) {
    leakTimer = setInterval(() => leaked.push(Buffer.alloc(Math.round(bytesPerSecond / 4), 1)), 250);
  } else {
    leaked = [];
    globalThis.gc?.();
  }
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://service');
  const answer = async () => {
    if (url.pathname === '/item') return item(url.searchParams.get('id'));
    const body = await readBody(request);
    if (url.pathname === '/export') return exportBatch(body);
    if (url.pathname === '/admin/slow') slowFactor = Number(url.searchParams.get('factor'));
    if (url.pathname === '/admin/leak') leak(Number(url.searchParams.get('rate')));
    return Buffer.from('ok');
  };
  answer().then(
    (body) => response.end(body),
    (error) => {
      response.statusCode = 500;
      response.end(String(error));
    },
  );
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), address, () => process.send?.({ type: 'ready' }));

/* The recorder reaches the admin endpoints over the process channel, because
 * it lives outside the service's network namespace: the service calls itself. */
process.on('message', ({ id, path: adminPath }) => {
  http
    .request({ host: address, port, path: adminPath, method: 'POST', agent: false }, (response) => {
      response.resume();
      response.on('end', () => process.send({ type: 'done', id }));
    })
    .end();
});
process.on('disconnect', () => process.exit(0));

function report() {
  const second = Math.round(Date.now() / 1000) * 1000;
  process.send({ type: 'second', second, waited });
  waited = 0;
  setTimeout(report, second + 1000 - Date.now());
}
setTimeout(report, 1000 - (Date.now() % 1000));

/* A regular collection keeps resident memory a saw-tooth instead of a drift. */
setInterval(() => globalThis.gc?.(), 8_000);
