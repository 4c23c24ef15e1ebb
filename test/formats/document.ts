/** The encoders of docs/formats.md, taken from the page. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const page = readFileSync(join(__dirname, '../../docs/formats.md'), 'utf8');

/** The first code block of the page in a language. */
export function codeBlock(language: string): string {
  const block = new RegExp(`^\`\`\`${language}\\n(?<code>[^]*?)^\`\`\`$`, 'm').exec(page)?.groups?.['code'];
  if (block === undefined) throw new Error(`docs/formats.md has no block of ${language}`);
  return block;
}

/** As declared on the page. */
export interface BinaryRecord {
  key?: string;
  timestamp?: number;
  values: readonly (number | null)[];
  conditions?: readonly (number | string | null)[];
}
export type EncodeRecord = (record: BinaryRecord, options?: { layout?: number; float64?: boolean }) => Buffer;

/** The encoder in TypeScript. */
export function loadEncoder(): EncodeRecord {
  const { outputText } = ts.transpileModule(codeBlock('ts'), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const module = { exports: {} as { encodeRecord: EncodeRecord } };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the test runs the code of the page
  const run = new Function('module', 'exports', 'require', outputText) as (...given: unknown[]) => void;
  run(module, module.exports, require);
  return module.exports.encodeRecord;
}
