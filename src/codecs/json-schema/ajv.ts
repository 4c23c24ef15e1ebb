/** The only door to ajv, which compiles JSON Schemas. */
import type { AnySchema, default as Ajv, Options } from 'ajv';

/** What of ajv is needed here; there is one for each draft. */
type Validator = Pick<Ajv, 'addSchema' | 'compile' | 'errorsText' | 'removeSchema'>;
export type { AnySchema };

/** Unknown keywords and formats mean nothing, as the specification has it; nothing is printed. */
const options: Options = { strict: false, validateFormats: false, validateSchema: false, logger: false };

const drafts: readonly { mark: string; load: () => Promise<Validator> }[] = [
  { mark: '2020-12', load: async () => new (await import('ajv/dist/2020')).default(options) },
  { mark: '2019-09', load: async () => new (await import('ajv/dist/2019')).default(options) },
  { mark: 'draft-07', load: loadDraft07 },
  // What 07 has beside it needs keywords that 06 does not know.
  { mark: 'draft-06', load: loadDraft07 },
  // Whatever is the newest; it was 07 for most of its life.
  { mark: 'json-schema.org/schema', load: loadDraft07 },
];

async function loadDraft07(): Promise<Validator> {
  return new (await import('ajv')).default(options);
}

const loading = new Map<string, Promise<Validator>>();

/**
 * Loaded when the first schema comes: who has none does not pay for it.
 * @param uri what a schema calls its draft; undefined = 07, as registries have it
 * @returns undefined for a draft that is not known
 */
export async function loadAjv(uri = 'draft-07'): Promise<Validator | undefined> {
  const draft = drafts.find(({ mark }) => uri.includes(mark));
  if (draft === undefined) return undefined;
  const known = loading.get(draft.mark) ?? draft.load();
  loading.set(draft.mark, known);
  return known;
}
