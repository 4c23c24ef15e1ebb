import type { DecodedMessages } from '../../src/pipeline/windowing';
import { ShadowDevices } from '../../src/runtime/shadow-devices';

/** A record of each device; a device in capitals warms up, and a ? is a message that was rejected. */
function batchOf(keys: string): DecodedMessages {
  const letters = Array.from(keys);
  return {
    messages: letters.map((key) => ({ warmUp: key !== key.toLowerCase() })),
    records: { keys: letters.map((key) => key.toLowerCase()) },
    rows: letters.map((key, row) => (key === '?' ? new Error('no record') : row)),
  } as unknown as DecodedMessages;
}

test('come from several batches, and from all over each', () => {
  const devices = new ShadowDevices(8);
  devices.choose(batchOf('abcdefghijklmnop'));
  expect(devices.keys.size).toBe(2);
  for (let i = 0; i < 9; i++) devices.choose(batchOf('abcdefghijklmnop'));
  const chosen = [...devices.keys].sort().join('');
  expect(chosen).toHaveLength(8);
  for (const quarter of ['abcd', 'efgh', 'ijkl', 'mnop']) expect(chosen).toMatch(new RegExp(`[${quarter}]`));
});

test('their records in a batch are those that neither warm up nor were rejected', () => {
  const devices = new ShadowDevices(1);
  devices.choose(batchOf('aaaa'));
  expect(devices.recordsOf(batchOf('ab?Aa'))!.rows).toEqual([0, 4]);
  expect(devices.recordsOf(batchOf('bA'))).toBeUndefined();
  devices.clear();
  expect(devices.recordsOf(batchOf('a'))).toBeUndefined();
});
