/** What a route of the API consists of: the OpenAPI document is made of the same declaration that the code runs. */
import type { DetectorEntry, DetectorView } from './detector-view';

/** A JSON Schema, draft 2020-12. */
export type Schema = Readonly<Record<string, unknown>>;

/** An error that becomes the answer. */
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
  /** Parameters of the path and of the query, checked against the schemas; numbers are numbers. */
  params: Readonly<Record<string, string | number | undefined>>;
  /** Checked against the schema of the route; undefined without one. */
  body: Readonly<Record<string, unknown>> | undefined;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below /api/v1, as in OpenAPI: `/detectors/{detector}`. */
  path: string;
  summary: string;
  /** Parameters of the query by name. Those of the path are text. */
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

/** An object all of whose properties are required, but for those named `optional`. */
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
/** A number, or null where there is none. */
export const numberOrNull = (description: string): Schema => ({ type: ['number', 'null'], description });
/** Times are given twice: for people and for programs. */
export const timeOf = (description: string): Schema => ({
  type: 'integer',
  description: `${description}, Unix ms`,
});
