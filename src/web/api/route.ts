/** The declaration of an API route. The OpenAPI document is generated from it, and requests are handled by it. */
import type { DetectorEntry, DetectorView } from './detector-view';

/** A JSON Schema, draft 2020-12. */
export type Schema = Readonly<Record<string, unknown>>;

/** An error that is sent as the response. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: 400 | 403 | 404 | 405 | 409 | 413 | 429 | 500 | 503,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

export interface ApiContext {
  detectors: () => readonly DetectorEntry[];
  /** Version of vaemon. */
  version: string;
}

export interface ApiCall {
  /** Parameters of the path and of the query, checked against the schemas; numeric ones are numbers. */
  params: Readonly<Record<string, string | number | undefined>>;
  /** The body, checked against the schema of the route; undefined if the route has none. */
  body: Readonly<Record<string, unknown>> | undefined;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path below /api/v1, as in OpenAPI: `/detectors/{detector}`. */
  path: string;
  summary: string;
  /** Schemas of the query parameters by name. Path parameters are text. */
  query?: Readonly<Record<string, Schema>>;
  body?: Schema;
  /** Status of a successful answer; default 200. */
  status?: 200 | 202;
  answer: Schema;
  /** Media type of the answer; default application/json. */
  mediaType?: string;
  handle(call: ApiCall, context: ApiContext): unknown;
}

/** @throws ApiError if there is no such detector, or if it does not run */
export function detectorOf(
  { params }: ApiCall,
  { detectors }: ApiContext,
): DetectorEntry & { view: DetectorView } {
  const name = params['detector'];
  const entry = detectors().find((one) => one.name === name);
  if (entry === undefined) throw new ApiError(404, `there is no detector ${JSON.stringify(name)}`);
  const { view } = entry;
  if (view === undefined)
    throw new ApiError(503, `detector ${JSON.stringify(name)} does not run`, entry.reason);
  return { ...entry, view };
}

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** Schema of an object with all properties required, except those in `optional`. */
export function objectOf(
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
  description?: string,
): Schema {
  return {
    type: 'object',
    ...(description !== undefined && { description }),
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}

export const listOf = (items: Schema): Schema => ({ type: 'array', items });
export const numberOf = (description: string): Schema => ({ type: 'number', description });
export const textOf = (description: string): Schema => ({ type: 'string', description });
export const flagOf = (description: string): Schema => ({ type: 'boolean', description });
/** Schema of a number, or null if there is none. */
export const numberOrNull = (description: string): Schema => ({ type: ['number', 'null'], description });
/** Schemas of a time, which is given twice: for people and for programs. */
export const timeOf = (description: string): Schema => ({
  type: 'integer',
  description: `${description}, Unix ms`,
});
