/** Records of many devices in turns, in the binary format of docs/formats.md. */

const start = 1.7e12;

/**
 * @param stream streams have other devices and other noise
 * @returns the messages of a partition that holds the stream: `count` of them, from offset `from` on
 */
export function createStream(channels, keys, stream = 0) {
  const bytes = 20 + 8 + 8 * channels;
  let state = 1 + stream;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const noise = Float64Array.from({ length: 8191 }, () => 0.3 * (random() + random() - 1));
  return (from, count, partition = 0) => {
    const all = Buffer.alloc(bytes * count);
    return Array.from({ length: count }, (_, i) => {
      const n = from + i;
      const [k, t] = [n % keys, Math.floor(n / keys)];
      const value = all.subarray(i * bytes, (i + 1) * bytes);
      value.write('VR');
      value[2] = value[3] = 1;
      value.writeDoubleLE(start + 1000 * t, 8);
      value.writeUInt16LE(channels, 16);
      value[19] = 8;
      value.write(String(k + stream * 10_000_000).padStart(8, '0'), 20);
      const z = Math.sin(t / 9 + k);
      for (let j = 0; j < channels; j++)
        value.writeDoubleLE(
          10 * j + z * (1 + (j % 7) / 4) + noise[(n * 31 + j * 17) % noise.length],
          28 + 8 * j,
        );
      const origin = { topic: 'bench', partition, offset: String(n) };
      return { key: null, value, timestamp: 0, origin, warmUp: false };
    });
  };
}
