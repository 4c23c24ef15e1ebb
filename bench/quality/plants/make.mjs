#!/usr/bin/env node
/**
 * Writes plants with faults as CSV files. Without `--plants` and `--seeds`, all.
 *
 *   node bench/quality/plants/make.mjs --out FOLDER [--plants water,chiller] [--seeds 1,2]
 */
import { parseArgs } from 'node:util';
import { kinds, makePlant, seeds } from './index.mjs';

const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    plants: { type: 'string', default: Object.keys(kinds).join() },
    seeds: { type: 'string', default: seeds.join() },
  },
});
if (options.out === undefined) throw new Error('--out FOLDER is missing');
for (const name of options.plants.split(',')) {
  if (kinds[name] === undefined)
    throw new Error(`unknown plant "${name}": the plants are ${Object.keys(kinds).join(', ')}`);
  for (const seed of options.seeds.split(',')) {
    if (!/^\d+$/.test(seed)) throw new Error(`--seeds must be whole numbers, not ${seed}`);
    makePlant(name, Number(seed), options.out);
  }
}
