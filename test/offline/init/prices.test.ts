import { loadText } from '../../../src/offline/init/load-text';
import { decodeSample } from '../../../src/offline/init/prices';
import { minimalDetector } from '../../config/folder';

test('the example of a rejected record begins with the position of the record, as in the log', async () => {
  const settings = await loadText(minimalDetector(), {});
  const messages = [3, 4].map((offset) => ({
    key: null,
    value: Buffer.from('{'),
    timestamp: 0,
    origin: { topic: 'plant', partition: 2, offset: String(offset) },
    warmUp: false,
  }));
  const { rejected } = await decodeSample(settings, messages, 0);
  expect(rejected).toEqual({
    not_json: { records: 2, example: expect.stringMatching(/^plant:2:3: /) as string },
  });
});
