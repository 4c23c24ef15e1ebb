/** How many bytes a record of eight channels has in each format, and how long decoding it takes: docs/formats.md. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

const require = createRequire(import.meta.url);
const { createRecordDecoder } = require('../dist/pipeline/record-decoder.js');
const { loadSettings } = require('../dist/config/load.js');
const avro = require('avsc');
const ts = require('typescript');

const records = 1000;
const batches = 300;
const channels = [...'abcdefgh'].map((letter) => `channel_${letter}`);

const avroSchema = {
  type: 'record',
  name: 'Reading',
  fields: [
    { name: 'key', type: 'string' },
    { name: 'timestamp', type: { type: 'long', logicalType: 'timestamp-millis' } },
    {
      name: 'values',
      type: { type: 'record', name: 'Values', fields: channels.map((name) => ({ name, type: 'double' })) },
    },
    { name: 'conditions', type: { type: 'map', values: 'string' } },
  ],
};
const jsonSchema = {
  type: 'object',
  properties: {
    key: { type: 'string' },
    timestamp: { type: 'string' },
    values: { type: 'object', additionalProperties: { type: 'number' } },
    conditions: { type: 'object' },
  },
  required: ['key', 'timestamp', 'values'],
};
const registered = {
  1: { schema: JSON.stringify(avroSchema) },
  2: { schema: JSON.stringify(jsonSchema), schemaType: 'JSON' },
};

/** The encoder of docs/formats.md. */
function loadEncoder() {
  const page = readFileSync(new URL('../docs/formats.md', import.meta.url), 'utf8');
  const [, code] = /^```ts\n([^]*?)^```$/m.exec(page);
  const options = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  const module = { exports: {} };
  const { outputText } = ts.transpileModule(code, { compilerOptions: options });
  new Function('module', 'exports', 'require', outputText)(module, module.exports, require);
  return module.exports.encodeRecord;
}

const encodeRecord = loadEncoder();
const avroType = avro.Type.forSchema(avroSchema);
const framed = (id, payload) => Buffer.concat([Buffer.of(0, 0, 0, 0, id), payload]);
const toJson = (record) =>
  Buffer.from(JSON.stringify({ ...record, timestamp: new Date(record.timestamp).toISOString() }));
const encoders = {
  json: toJson,
  'json-schema': (record) => framed(2, toJson(record)),
  avro: (record) => framed(1, avroType.toBuffer(record)),
  binary: ({ key, timestamp, values, conditions }) =>
    encodeRecord({
      key,
      timestamp,
      values: channels.map((name) => values[name]),
      conditions: [conditions.mode],
    }),
};

const start = Date.UTC(2026, 0, 1);
const plant = Array.from({ length: records }, (_, i) => ({
  key: `pump-${i % 10}`,
  timestamp: start + i * 1000,
  values: Object.fromEntries(channels.map((name, j) => [name, Math.round(1e5 * Math.sin(i + j)) / 1000])),
  conditions: { mode: 'idle' },
}));

const server = createServer((request, response) =>
  response.end(JSON.stringify(registered[request.url.split('/').pop()])),
).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const registry = `, registry: { url: "http://127.0.0.1:${server.address().port}" }`;
const folder = mkdtempSync(path.join(tmpdir(), 'vaemon-formats-'));

for (const [format, encode] of Object.entries(encoders)) {
  const file = path.join(folder, `${format}.yaml`);
  const needsRegistry = format === 'avro' || format === 'json-schema';
  writeFileSync(
    file,
    `detector: plant
source: { kind: kafka, kafka: { brokers: ["none:1"], topic: t${needsRegistry ? registry : ''} } }
sinks: { kafka: { deadLetterTopic: d } }
record: { format: ${format}, channels: [${channels.join()}], conditions: { mode: { kind: category } } }
`,
  );
  const { detectors } = await loadSettings(file, { env: {} });
  const { decode } = createRecordDecoder(detectors[0].settings);
  const messages = plant.map((record, i) => ({
    key: null,
    value: encode(record),
    timestamp: record.timestamp,
    origin: { topic: 't', partition: 0, offset: String(i) },
    warmUp: false,
  }));
  const times = [];
  for (let batch = 0; batch < batches; batch++) {
    const began = performance.now();
    const decoded = await decode(messages, Date.now());
    times.push(performance.now() - began);
    if (decoded.records.count !== records) throw decoded.rows.find((row) => typeof row !== 'number');
  }
  const median = times.sort((a, b) => a - b)[batches / 2];
  const bytes = messages.reduce((sum, { value }) => sum + value.length, 0) / records;
  console.log(`${format}: ${Math.round(bytes)} bytes, ${((1000 * median) / records).toFixed(2)} µs a record`);
}
server.close();
rmSync(folder, { recursive: true });
