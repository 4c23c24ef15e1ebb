import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const plants = join(__dirname, '../../bench/quality/plants');
const kinds = evaluate('Object.keys(kinds)') as string[];

interface Plant {
  readonly history: readonly string[];
  readonly test: readonly string[];
  readonly labels: readonly number[];
  readonly faults: readonly { kind: string; start: number; end: number; key?: string }[];
}

/** The value of an expression on what index.mjs exports, which Jest cannot import. */
function evaluate(expression: string): unknown {
  const script = `import * as plants from 'file://${plants}/index.mjs';
    const { kinds, computePlant } = plants;
    process.stdout.write(JSON.stringify(${expression}));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    maxBuffer: 2 ** 30,
  });
  return JSON.parse(output.toString());
}

function cellsOf(row: string): string[] {
  return row.split(',');
}

/** SHA-256 of the three files of seed 1: published measurements rest on them. */
const digests: Record<string, string> = {
  water: '2cd2b8937bf09583',
  chiller: '5c0d4942c1bb58c5',
  machine: '0a263e518d079994',
  service: '2b115e2a49bb9624',
  turbine: 'e86468494f54a4f4',
  pumping: '9db97d730d58bca6',
  trucks: 'b51371af329efe3d',
  battery: '2ced38b056c2af7e',
  reactor: '355b47b065632bf1',
  furnace: '48d70d99f98b71db',
};

describe.each(kinds)('the plant %s', (kind) => {
  let plant: Plant;
  let healthy: Plant;
  beforeAll(() => {
    [plant, healthy] = evaluate(
      `[computePlant('${kind}', 1), computePlant('${kind}', 1, { acting: () => false })]`,
    ) as [Plant, Plant];
  });
  /** Indices of the test records of a fault. */
  const recordsOf = ({ start, end, key }: Plant['faults'][number]): number[] =>
    plant.test.flatMap((row, i) => {
      const [timestamp, device] = cellsOf(row);
      const time = Date.parse(timestamp!);
      return time >= start && time <= end && (key === undefined || device === key) ? [i] : [];
    });

  test('is written the same on each machine, and otherwise for another seed', () => {
    const [first, second] = [1, 2].map((seed) => {
      const folder = mkdtempSync(join(tmpdir(), 'plants-'));
      const options = ['--out', folder, '--plants', kind, '--seeds', String(seed)];
      execFileSync(process.execPath, [join(plants, 'make.mjs'), ...options]);
      const files = ['train', 'test', 'label'].map(
        (part) => `${part === 'label' ? 'labels/' : ''}${kind}-${seed}.${part}.csv.gz`,
      );
      const text = files.map((file) => gunzipSync(readFileSync(join(folder, file))).toString());
      rmSync(folder, { recursive: true });
      return text;
    });
    expect(createHash('sha256').update(first!.join()).digest('hex').slice(0, 16)).toBe(digests[kind]);
    expect(second).not.toEqual(first);
    expect(first!.some((text) => text.includes('NaN') || text.includes('Infinity'))).toBe(false);
  });

  test('has eight or nine faults, and labels for their records alone', () => {
    expect([8, 9]).toContain(plant.faults.length);
    const expected = plant.test.map(() => 0);
    for (const i of plant.faults.flatMap(recordsOf)) expected[i] = 1;
    expect(plant.labels).toEqual(expected);
  });

  test('has a history without a fault', () => {
    expect(plant.history).toEqual(healthy.history);
  });

  test('is as it would be without faults until the first, and each fault changes a good part of its records', () => {
    const first = plant.labels.indexOf(1);
    expect(plant.test.slice(0, first)).toEqual(healthy.test.slice(0, first));
    // The noise is the same, whatever acts: what differs is of the fault. Every second one acts, so that nothing is left of the one before.
    const [even, odd] = evaluate(
      `[0, 1].map((rest) => computePlant('${kind}', 1, { acting: (i) => i % 2 === rest }).test)`,
    ) as [string[], string[]];
    const changed = plant.faults.map((fault, n) => {
      const records = recordsOf(fault);
      const share =
        records.filter((i) => (n % 2 === 0 ? even : odd)[i] !== healthy.test[i]).length / records.length;
      return { kind: fault.kind, isChanged: share >= 0.1 };
    });
    expect(changed).toEqual(plant.faults.map((fault) => ({ kind: fault.kind, isChanged: true })));
  });
});
