/** Images on a topic: learned from folders of good ones of two products, judged with the product that each message states. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import type { Detection } from '../../../src/domain/detection';
import { createRandom } from '../../../src/tensor';
import { newFolder, removeFolders } from '../plant';
import { endAllVaemon, startVaemon } from '../vaemon-process';
import { startBroker, until } from './broker';
import type { TestBroker } from './broker';

jest.setTimeout(400_000);

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 180_000);
afterEach(endAllVaemon);
afterAll(async () => {
  await broker.remove();
  await removeFolders();
});

const side = 24;

/** Ribs across a bolt, or along a nut; with a dark spot where it is scratched. */
function picture(product: 'bolt' | 'nut', seed: number, isScratched = false): Promise<Buffer> {
  const random = createRandom(seed);
  const phase = 6 * random.uniform();
  const pixels = Uint8Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    const rib = 120 + 60 * Math.sin((product === 'bolt' ? x : y) + phase) + 10 * random.uniform();
    return isScratched && Math.hypot(x - 16, y - 8) < 4 ? 10 : rib;
  });
  return sharp(pixels, { raw: { width: side, height: side, channels: 1 } })
    .png()
    .toBuffer();
}

test('a good bolt is normal as a bolt and odd as a nut, a scratch has its place, and no picture is lost', async () => {
  const folder = await newFolder();
  for (const product of ['bolt', 'nut'] as const) {
    const parts = path.join(folder, 'good', product);
    await mkdir(parts, { recursive: true });
    for (let i = 0; i < 120; i++)
      await writeFile(
        path.join(parts, `${i}.png`),
        await picture(product, i + (product === 'nut' ? 500 : 1)),
      );
  }
  const [topic, detections, rejected] = [
    await broker.createTopic(),
    await broker.createTopic(),
    await broker.createTopic(),
  ];
  await writeFile(
    path.join(folder, 'line.yaml'),
    `detector: line
preset: image
model: { kind: cvae }
fields: { image: photo }
record:
  kind: image
  conditions: { product: { kind: category } }
  image: { width: ${side}, height: ${side} }
source: { kind: kafka, kafka: { brokers: ['${broker.bootstrap}'], topic: ${topic}, startFrom: earliest } }
training: { historyFrom: { path: ${path.join(folder, 'good')}, columns: { folders: [product] } } }
sinks: { kafka: { enabled: true, detectionsTopic: ${detections}, deadLetterTopic: ${rejected}, emit: all } }
`,
  );
  const daemon = startVaemon(['run'], path.join(folder, 'line.yaml'), { 'store.path': await newFolder() });
  // The one after that of the cold start.
  await until('the configured model', () => daemon.log('new model in use').length === 2, 240_000);

  const send = (name: string, product: string | undefined, photo: Buffer, second: number) => ({
    key: name,
    value: JSON.stringify({
      key: name,
      timestamp: new Date(Date.now() - 600_000 + second * 1000).toISOString(),
      conditions: { product },
      photo: photo.toString('base64'),
    }),
  });
  const shown = [
    ...(await Promise.all([0, 1, 2, 3, 4].map((i) => picture('bolt', 2000 + i)))).map((photo, i) =>
      send('good', 'bolt', photo, i),
    ),
    ...(await Promise.all([0, 1, 2, 3, 4].map((i) => picture('bolt', 2000 + i)))).map((photo, i) =>
      send('other', 'nut', photo, i),
    ),
    send('scratched', 'bolt', await picture('bolt', 3000, true), 0),
    send('damaged', 'bolt', (await picture('bolt', 3001)).subarray(0, 200), 0),
    send('unstated', undefined, await picture('bolt', 3002), 0),
  ];
  await broker.produce(topic, shown);
  const detected = async (): Promise<Detection[]> =>
    (await broker.read(detections))
      .filter(({ headers }) => String(headers!['type']) === 'detection')
      .map(({ value }) => JSON.parse(String(value)) as Detection);
  await until(
    'an answer to each picture',
    async () => (await detected()).length + (await broker.read(rejected)).length === shown.length,
    120_000,
  );
  const found = await detected();
  const of = (key: string): Detection[] => found.filter((one) => one.key === key);
  expect(of('good').filter(({ anomalous }) => anomalous).length).toBeLessThanOrEqual(1);
  expect(of('other').map(({ anomalous }) => anomalous)).toEqual([true, true, true, true, true]);
  const [scratched] = of('scratched');
  expect(scratched!.anomalous).toBe(true);
  const { x, y, width, height } = scratched!.contributions[0]!.region!;
  expect([x <= 16, x + width > 16, y <= 8, y + height > 8]).toEqual([true, true, true, true]);
  const reasons = (await broker.read(rejected)).map(({ key, headers }) => [
    String(key),
    String(headers!['reason']),
  ]);
  expect(reasons.sort()).toEqual([
    ['damaged', 'damaged_image'],
    ['unstated', 'missing_condition'],
  ]);
  expect(await daemon.signal('SIGTERM')).toEqual({ code: 0, signal: null });
});
