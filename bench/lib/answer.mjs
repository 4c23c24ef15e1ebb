/** The other end of contenders.mjs: says what it is, then answers each line with one. */
import { createInterface } from 'node:readline';

export async function answer(about, work) {
  process.stdout.write(`${JSON.stringify(about)}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await work(JSON.parse(line)))}\n`);
  }
}
