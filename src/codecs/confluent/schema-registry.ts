/** Schemas by their id, from a registry that speaks Confluent's API. */
import { DecodeError, UnavailableError } from '../../errors';
import { runConcurrently } from '../../system/concurrency';
import { ask, type HttpAnswer } from '../../system/http';
import { pause } from '../../system/pause';
import { readSecret, readText } from '../../system/secret';

export interface RegistrySettings {
  /** Where `schemas/ids/…` is. */
  url: string;
  /** Empty = it wants no password. */
  username: string;
  password: string;
  /** File with the password, which wins over the one above. */
  passwordFile: string;
  /** File of the authorities that are trusted, PEM; empty = those that Node trusts. */
  ca: string;
  /** Of one request. */
  timeoutMs: number;
}

export interface RegisteredSchema {
  /** `AVRO`, `JSON`, `PROTOBUF`, … */
  type: string;
  text: string;
  /** What it refers to, by the name that it uses; each before those that refer to it. */
  references: readonly { name: string; text: string }[];
}

/** Undefined: the registry has no such schema. An error: it refers to what the registry does not have. */
export type FoundSchema = RegisteredSchema | DecodeError | undefined;

export interface SchemaRegistry {
  /**
   * The schemas with these ids. That there is none is said only after the registry has said so several times. Rejects with an
   * UnavailableError when the registry does not answer as one.
   */
  find(ids: readonly number[]): Promise<ReadonlyMap<number, FoundSchema>>;
}

/** Pauses between the tries of a request that fails, ms. Whoever hands over the batch comes again after longer ones. */
const pausesMs = [200, 600];

/**
 * Pauses before a schema that is not there is asked for again, ms: a registry that follows another one, or has just been
 * started, may not have heard of it yet.
 */
const doubtsMs = [400, 1_200];

/** Requests at once. */
const concurrency = 8;

/** Schemas that one may refer to, also by way of others. */
const maxReferences = 100;

/** Codes with which a registry itself says that it has no such subject, version or schema; a proxy's 404 has none. */
const notFoundCodes: readonly unknown[] = [40401, 40402, 40403];

/** A schema as the registry answers with it. */
interface StoredSchema {
  type: string;
  text: string;
  references: readonly { name: string; subject: string; version: number }[];
}

/** Asks nothing before it is asked. */
export function createSchemaRegistry(
  settings: RegistrySettings,
  { pauses = pausesMs, doubts = doubtsMs } = {},
): SchemaRegistry {
  const base = settings.url.endsWith('/') ? settings.url : `${settings.url}/`;

  return {
    async find(ids) {
      const found = new Map<number, FoundSchema>();
      let open = ids;
      for (const doubt of [...doubts, undefined]) {
        await runConcurrently(open, concurrency, async (id) => void found.set(id, await lookUp(id)));
        open = open.filter((id) => found.get(id) === undefined || found.get(id) instanceof DecodeError);
        if (open.length === 0 || doubt === undefined) break;
        await pause(doubt);
      }
      return found;
    },
  };

  async function lookUp(id: number): Promise<FoundSchema> {
    const schema = await get(`schemas/ids/${id}`);
    if (schema === undefined) return undefined;
    const references = new Map<string, string>();
    const problem = await addReferences(schema, references, new Set());
    if (problem !== undefined) return problem;
    return {
      type: schema.type,
      text: schema.text,
      references: [...references].map(([name, text]) => ({ name, text })),
    };
  }

  /** Adds what a schema refers to, and before it what that refers to; returns why it cannot. */
  async function addReferences(
    schema: StoredSchema,
    to: Map<string, string>,
    seen: Set<string>,
  ): Promise<DecodeError | undefined> {
    for (const { name, subject, version } of schema.references) {
      const path = `subjects/${encodeURIComponent(subject)}/versions/${version}`;
      if (seen.has(path)) continue;
      seen.add(path);
      if (seen.size > maxReferences)
        return new DecodeError('unusable_schema', `the schema refers to more than ${maxReferences} others`);
      const referred = await get(path);
      if (referred === undefined) {
        const what = `version ${version} of "${subject.slice(0, 80)}"`;
        return new DecodeError('unusable_schema', `the registry lacks what the schema refers to: ${what}`);
      }
      const problem = await addReferences(referred, to, seen);
      if (problem !== undefined) return problem;
      to.set(name, referred.text);
    }
    return undefined;
  }

  /** What the registry has under a path; undefined when it says that it has nothing there. */
  async function get(path: string): Promise<StoredSchema | undefined> {
    for (let attempt = 0; ; attempt++) {
      const answer = await askFor(path).catch((cause: unknown) => unavailable('does not answer', cause));
      if (!(answer instanceof UnavailableError) && !isPassing(answer.status)) return read(answer);
      const pauseMs = pauses[attempt];
      if (pauseMs === undefined) throw answer instanceof UnavailableError ? answer : refusal(answer);
      await pause(pauseMs);
    }
  }

  async function askFor(path: string): Promise<HttpAnswer> {
    const { username, password, passwordFile, ca, timeoutMs } = settings;
    const basic = (): string =>
      Buffer.from(`${username}:${readSecret(password, passwordFile)}`).toString('base64');
    return await ask({
      url: new URL(path, base),
      headers: {
        accept: 'application/vnd.schemaregistry.v1+json, application/json',
        ...(username !== '' && { authorization: `Basic ${basic()}` }),
      },
      ca: ca === '' ? undefined : readText(ca),
      timeoutMs,
    });
  }

  function read(answer: HttpAnswer): StoredSchema | undefined {
    const content = parseContent(answer.body);
    if (answer.status === 404 && notFoundCodes.includes(content?.error_code)) return undefined;
    if (answer.status !== 200) throw refusal(answer);
    const { schema, schemaType = 'AVRO', references = [] } = content ?? {};
    if (typeof schema !== 'string' || typeof schemaType !== 'string' || !isReferences(references))
      throw unavailable('answers, but not with a schema: check source.kafka.registry.url');
    return { type: schemaType, text: schema, references };
  }

  function refusal({ status }: HttpAnswer): UnavailableError {
    const advice =
      status === 401 || status === 403
        ? ': check source.kafka.registry.username and its password'
        : status < 500 && status !== 429
          ? ': check source.kafka.registry.url'
          : '';
    return unavailable(`answers with HTTP ${status}${advice}`);
  }

  function unavailable(what: string, cause?: unknown): UnavailableError {
    return new UnavailableError(`schema registry ${base} ${what}`, cause === undefined ? {} : { cause });
  }
}

/** What may be over in a moment. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 429;
}

interface Content {
  error_code?: unknown;
  schema?: unknown;
  schemaType?: unknown;
  references?: unknown;
}

function parseContent(body: string): Content | undefined {
  try {
    const content: unknown = JSON.parse(body);
    return typeof content === 'object' && content !== null ? content : undefined;
  } catch {
    return undefined;
  }
}

function isReferences(value: unknown): value is StoredSchema['references'] {
  return (
    Array.isArray(value) &&
    value.every(
      (one: Partial<Record<keyof StoredSchema['references'][number], unknown>> | null) =>
        typeof one?.name === 'string' && typeof one.subject === 'string' && typeof one.version === 'number',
    )
  );
}
