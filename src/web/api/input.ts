/** Reads the input of a request: parameters and body, checked against the schemas of its route. */
import type { IncomingMessage } from 'node:http';
import { loadAjv, type AnySchema } from '../../codecs/json-schema/ajv';
import { isObject } from '../../system/json';
import { pathOf } from '../answer';
import { ApiError, objectOf, type ApiCall, type Route } from './route';

/** Largest body of a request, bytes. */
const maxBodyBytes = 65_536;

/** Checks a value against a schema; rejects with an ApiError that states the problem. */
type Check = (schema: object, value: unknown, what: string) => Promise<void>;

/**
 * @returns a function that reads the query and the body; it rejects with an ApiError if they do not match the schemas of the
 * route
 */
export function createInputReader(routes: readonly Route[]) {
  const validatorOf = createValidators();
  const querySchemas = new Map(
    routes.map((route) => [route, objectOf(route.query ?? {}, Object.keys(route.query ?? {}))]),
  );
  const check: Check = async (schema, value, what) => {
    const problem = (await validatorOf(schema))(value);
    if (problem !== undefined) throw new ApiError(400, `${what} ${problem}`);
  };
  return {
    async query(request: IncomingMessage, route: Route): Promise<ApiCall['params']> {
      const params = parseQuery(request, route);
      await check(querySchemas.get(route)!, params, 'parameter');
      return params;
    },
    async body(request: IncomingMessage, route: Route): Promise<ApiCall['body']> {
      if (route.body === undefined) return undefined;
      const body = parseBody(await readText(request));
      await check(route.body, body, 'body');
      return isObject(body) ? body : undefined;
    },
  };
}

function parseQuery(request: IncomingMessage, { query = {} }: Route): ApiCall['params'] {
  const params: Record<string, string | number> = {};
  for (const [name, text] of new URLSearchParams((request.url ?? '').slice(pathOf(request).length))) {
    const schema = query[name];
    if (schema === undefined)
      throw new ApiError(
        400,
        `unknown parameter ${JSON.stringify(name)}`,
        `known: ${Object.keys(query).join(', ')}`,
      );
    if (params[name] !== undefined)
      throw new ApiError(400, `parameter ${JSON.stringify(name)} is given twice`);
    const isNumber = schema['type'] === 'number' || schema['type'] === 'integer';
    params[name] = isNumber && text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  return params;
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, 'the body is not JSON');
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const tooLarge = new ApiError(413, `the body is larger than ${maxBodyBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBodyBytes) throw tooLarge;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** Compiles each schema once; a validator returns the first error of a value, if there is one. */
function createValidators() {
  const known = new WeakMap<object, (value: unknown) => string | undefined>();
  return async (schema: object): Promise<(value: unknown) => string | undefined> => {
    const found = known.get(schema);
    if (found !== undefined) return found;
    const ajv = (await loadAjv('2020-12'))!;
    const validate = ajv.compile(schema as AnySchema);
    const validator = (value: unknown): string | undefined => {
      if (validate(value)) return undefined;
      const [problem] = validate.errors ?? [];
      const { instancePath = '', message = 'is not valid', params } = problem ?? {};
      const where = instancePath === '' ? '' : `${instancePath.slice(1).replaceAll('/', '.')} `;
      const { allowedValues, additionalProperty } = (params ?? {}) as Record<string, unknown>;
      const more = Array.isArray(allowedValues)
        ? `: ${allowedValues.join(', ')}`
        : typeof additionalProperty === 'string'
          ? `: ${additionalProperty}`
          : '';
      return `${where}${message}${more}`;
    };
    known.set(schema, validator);
    return validator;
  };
}
