/** The only module that imports ajv, a compiler of JSON Schemas. */
import type { AnySchema, default as Ajv, Options } from 'ajv';

/** The part of ajv that is used; each draft has its own instance. */
type Validator = Pick<Ajv, 'addSchema' | 'compile' | 'errorsText' | 'removeSchema'>;
export type { AnySchema };

/** Unknown keywords and formats are ignored, as the specification requires; ajv prints nothing. */
const options: Options = { strict: false, validateFormats: false, validateSchema: false, logger: false };

const drafts: readonly { mark: string; load: () => Promise<Validator> }[] = [
  { mark: '2020-12', load: async () => new (await import('ajv/dist/2020')).default(options) },
  { mark: '2019-09', load: async () => new (await import('ajv/dist/2019')).default(options) },
  { mark: 'draft-07', load: loadDraft07 },
  // Draft 07 is a superset of draft 06.
  { mark: 'draft-06', load: loadDraft07 },
  // URI of the latest draft, which was draft 07 for most of the time.
  { mark: 'json-schema.org/schema', load: loadDraft07 },
];

async function loadDraft07(): Promise<Validator> {
  return new (await import('ajv')).default(options);
}

const loading = new Map<string, Promise<Validator>>();

/**
 * Loads ajv with the first schema that needs it.
 * @param uri `$schema` of the schema; undefined = draft 07, the default of registries
 * @returns undefined for an unknown draft
 */
export async function loadAjv(uri = 'draft-07'): Promise<Validator | undefined> {
  const draft = drafts.find(({ mark }) => uri.includes(mark));
  if (draft === undefined) return undefined;
  const known = loading.get(draft.mark) ?? draft.load();
  loading.set(draft.mark, known);
  return known;
}
