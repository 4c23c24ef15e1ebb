/** The OpenAPI 3.1 document of the API, generated from its routes. */
import { schemas } from './schemas';
import { ref, type Route, type Schema } from './route';

export const apiPrefix = '/api/v1';

/** @param version of vaemon */
export function openApiDocument(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes)
    (paths[apiPrefix + route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'vaemon',
      version,
      description: 'State and findings of the detectors of a process, and the labels of people.',
    },
    paths,
    components: {
      schemas,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
    // The empty entry means that reading may need no token (api.reading).
    security: [{}, { token: [] }],
  };
}

const failures: Readonly<Record<string, string>> = {
  400: 'A parameter or the body is not valid',
  401: 'A token is missing or wrong',
  403: 'The request comes from a page of another site, or changes are off',
  404: 'There is no such thing, or no longer',
  405: 'The path has other methods',
  409: 'It is not possible now, or someone else has changed it in the meantime',
  429: 'Too many requests',
  503: 'The detector does not run',
};

const failuresOfChanges: Readonly<Record<string, string>> = {
  413: 'The body is too large',
  415: 'The content type is not application/json',
};

function operation({ method, path, summary, query = {}, body, status = 200, answer, mediaType }: Route) {
  const isChange = method !== 'GET';
  const errors = { ...failures, ...(isChange && failuresOfChanges) };
  return {
    operationId: operationId(method, path),
    summary,
    parameters: [
      ...pathNames(path).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...Object.entries(query).map(([name, schema]) => ({ name, in: 'query', required: false, schema })),
    ],
    ...(body && { requestBody: { required: true, content: json(body) } }),
    ...(isChange && { security: [{ token: [] }] }),
    responses: {
      [status]: { description: summary, content: { [mediaType ?? 'application/json']: { schema: answer } } },
      ...Object.fromEntries(
        Object.entries(errors).map(([code, description]) => [
          code,
          { description, content: json(ref('Error')) },
        ]),
      ),
    },
  };
}

const json = (schema: Schema) => ({ 'application/json': { schema } });

export function pathNames(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
}

/** Name of an operation: `GET /detectors/{detector}` → `getDetectorsDetector`. */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z]+/).filter((word) => word !== '');
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
}
