/** Client of a schema registry with Confluent's API. */
import { DecodeError, UnavailableError } from '../../errors';
import { runConcurrently } from '../../system/concurrency';
import { ask, baseUrl, type HttpAnswer } from '../../system/http';
import { isObject, type JsonObject } from '../../system/json';
import { messageOf } from '../../system/error-text';
import { pause } from '../../system/pause';
import { readSecret, readText } from '../../system/secret';

export interface RegistrySettings {
  /** Base URL of `schemas/ids/…`. */
  url: string;
  /** User name; empty = no authentication. */
  username: string;
  password: string;
  /** File with the password, used instead of `password`. */
  passwordFile: string;
  /** PEM file of the trusted certificate authorities; empty = Node's defaults. */
  ca: string;
  /** Timeout of one request. */
  timeoutMs: number;
}

export interface RegisteredSchema {
  /** `AVRO`, `JSON`, `PROTOBUF`, … */
  type: string;
  text: string;
  /** Referenced schemas by the name used for them, each before the schemas that refer to it. */
  references: readonly { name: string; text: string }[];
}

/** Undefined if the registry has no such schema; a DecodeError if a referenced schema is missing. */
export type FoundSchema = RegisteredSchema | DecodeError | undefined;

export type SchemaRegistry = ReturnType<typeof createSchemaRegistry>;

/** Pauses between the attempts of a request, ms. The caller retries the whole batch with longer pauses. */
const pausesMs = [200, 600];

/** Pauses before a missing schema is requested again, ms: a replica or a registry that has just started may lag. */
const doubtsMs = [400, 1_200];

/** Limit of parallel requests. */
const concurrency = 8;

/** Limit of direct and indirect references of a schema. */
const maxReferences = 100;

/** Error codes of a registry for a missing subject, version or schema; the 404 of a proxy has no such code. */
const notFoundCodes: readonly unknown[] = [40401, 40402, 40403];

/** A schema as the registry returns it. */
interface StoredSchema {
  type: string;
  text: string;
  references: readonly { name: string; subject: string; version: number }[];
}

/** Creates the client. It sends no request before the first `find`. */
export function createSchemaRegistry(
  settings: RegistrySettings,
  { pauses = pausesMs, doubts = doubtsMs } = {},
) {
  const base = baseUrl(settings.url);

  return {
    /**
     * The schemas with these ids. A schema counts as missing only after several answers of the registry. Rejects with an
     * UnavailableError if the registry does not answer, or if its answer is not that of a registry.
     */
    async find(ids: readonly number[]): Promise<ReadonlyMap<number, FoundSchema>> {
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

  /** Values from the registry can be unusable, such as a subject that no URL can contain. */
  async function lookUp(id: number): Promise<FoundSchema> {
    try {
      return await resolve(id);
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      return new DecodeError('unusable_schema', `schema ${id} cannot be resolved: ${messageOf(error)}`);
    }
  }

  async function resolve(id: number): Promise<FoundSchema> {
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

  /** Adds the references of a schema, the innermost first; returns the reason if one is unusable. */
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
        return new DecodeError('unusable_schema', `the schema has more than ${maxReferences} references`);
      const referred = await get(path);
      if (referred === undefined) {
        const what = `version ${version} of "${subject.slice(0, 80)}"`;
        return new DecodeError('unusable_schema', `the registry lacks a referenced schema: ${what}`);
      }
      const problem = await addReferences(referred, to, seen);
      if (problem !== undefined) return problem;
      to.set(name, referred.text);
    }
    return undefined;
  }

  /** The schema at a path; undefined if the registry reports that there is none. */
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
    if (answer.status === 404 && notFoundCodes.includes(content['error_code'])) return undefined;
    if (answer.status !== 200) throw refusal(answer);
    const { schema, schemaType = 'AVRO', references = [] } = content;
    if (typeof schema !== 'string' || typeof schemaType !== 'string' || !isReferences(references))
      throw unavailable('does not return a schema: check source.kafka.registry.url');
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

/** Whether a status may be temporary. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 429;
}

/** The JSON object of an answer; empty if there is none. */
function parseContent(body: string): JsonObject {
  try {
    const content: unknown = JSON.parse(body);
    return isObject(content) ? content : {};
  } catch {
    return {};
  }
}

function isReferences(value: unknown): value is StoredSchema['references'] {
  const isReference = (one: unknown): boolean =>
    isObject(one) &&
    typeof one['name'] === 'string' &&
    typeof one['subject'] === 'string' &&
    typeof one['version'] === 'number';
  return Array.isArray(value) && value.every(isReference);
}
