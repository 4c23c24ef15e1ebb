/** Random damage to records and configurations, from one seed. */

/** Uniform in [0, 1). */
export type Uniform = () => number;

export const below = (random: Uniform, count: number): number => Math.floor(random() * count);
export const pick = <T>(random: Uniform, items: readonly T[]): T => items[below(random, items.length)]!;

/** Bytes with a meaning in some format: lengths, signs, ends, quotes. */
const notable = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 0x22, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d];

/** Changes, adds, removes or moves some bytes. */
export function mutateBytes(random: Uniform, original: Buffer): Buffer {
  let bytes = Buffer.from(original);
  for (let changes = 1 + below(random, 4); changes > 0; changes--) {
    const at = below(random, bytes.length + 1);
    const length = 1 + below(random, random() < 0.9 ? 8 : 200);
    switch (below(random, 7)) {
      case 0:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << below(random, 8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = pick(random, notable);
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)]);
        break;
      case 5:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(Array.from({ length }, () => below(random, 256))),
          bytes.subarray(at),
        ]);
        break;
      default: {
        const from = below(random, bytes.length + 1);
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          bytes.subarray(from, from + length),
          bytes.subarray(at),
        ]);
      }
    }
  }
  return bytes;
}

/** Values that are invalid or borderline everywhere. */
const strange: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  0.1,
  1e308,
  -1e308,
  2 ** 53,
  4e38,
  8.64e15 + 1,
  '',
  ' ',
  'NaN',
  '\0',
  '\ud800',
  'null',
  '1e3',
  '2026-02-30T25:61:00Z',
  '2026-03-01T12:00:00+99:99',
  'x'.repeat(3_000),
  '__proto__',
  'constructor',
  [],
  [[]],
  {},
  { toString: 1 },
  [null, 'a', 1],
];

/** Placeholder for a value that is nested deeper than the stack and JSON.stringify allow. */
const deepMark = '@deep';
const deep = '['.repeat(20_000) + ']'.repeat(20_000);

export function strangeValue(random: Uniform): unknown {
  return random() < 0.02 ? deepMark : pick(random, strange);
}

/** A mutated tree as JSON. */
export function toJson(tree: unknown): string {
  return JSON.stringify(tree).replaceAll(`"${deepMark}"`, deep);
}

/** A copy of a tree with one part replaced, renamed, removed or moved. */
export function mutateTree(random: Uniform, tree: unknown): unknown {
  if (typeof tree !== 'object' || tree === null || random() < 0.15) return strangeValue(random);
  const entries = Object.entries(tree as Record<string, unknown>);
  if (entries.length === 0) return strangeValue(random);
  const at = below(random, entries.length);
  const [name, value] = entries[at]!;
  switch (below(random, 8)) {
    case 0:
      entries.splice(at, 1);
      break;
    case 1:
      entries[at] = [mutateName(random, name), value];
      break;
    case 2:
      entries.push([pick(random, ['__proto__', 'constructor', 'x', '']), strangeValue(random)]);
      break;
    case 3:
      entries.push([name, pick(random, entries)[1]]);
      break;
    default:
      entries[at] = [name, mutateTree(random, value)];
  }
  if (Array.isArray(tree)) return entries.map(([, item]) => item);
  // As in JSON.parse, `__proto__` becomes an ordinary property.
  return entries.reduce<object>((object, [key, item]) => {
    Object.defineProperty(object, key, { value: item, enumerable: true, configurable: true, writable: true });
    return object;
  }, {});
}

function mutateName(random: Uniform, name: string): string {
  const at = below(random, name.length + 1);
  const letter = pick(random, ['a', 'Z', '.', '_', ' ', '9', 'é']);
  return random() < 0.5
    ? name.slice(0, at) + name.slice(at + 1)
    : name.slice(0, at) + letter + name.slice(at);
}
