/** Client for range queries of Prometheus' HTTP API, which VictoriaMetrics, Thanos and Mimir also have. */
import { ask, baseUrl, type HttpAnswer } from '../../system/http';
import { isObject, type JsonObject } from '../../system/json';
import { firstLineOf } from '../../system/error-text';
import { readSecret, readText } from '../../system/secret';

export interface PrometheusConnection {
  /** Base URL of `api/v1/query_range`. */
  url: string;
  /** Empty = no basic authentication. */
  username: string;
  password: string;
  /** File with the password, used instead of `password`. */
  passwordFile: string;
  /** File with a bearer token; empty = none. */
  tokenFile: string;
  /** Value of the header `X-Scope-OrgID`; empty = none. */
  tenant: string;
  /** PEM files; empty = none. */
  tls: { ca: string; cert: string; key: string };
  /** Timeout of one request. */
  timeoutMs: number;
  /** Maximum number of series that a query may return. */
  maxSeries: number;
}

/** A query with its name in the configuration. */
export interface NamedQuery {
  name: string;
  /** The query in PromQL. */
  text: string;
}

/** Evaluation times of a query, Unix ms; both ends are included. */
export interface StepRange {
  from: number;
  to: number;
  step: number;
}

export interface Series {
  labels: Readonly<Record<string, string>>;
  /** Evaluation time, Unix ms, and the value as text, such as `12.5`, `NaN` or `+Inf`. */
  samples: readonly (readonly [time: number, value: string])[];
}

export interface RangeAnswer {
  series: readonly Series[];
  /** Warnings of the server about the query. */
  warnings: readonly string[];
  /** Time of the server, Unix ms, in whole seconds; NaN if the server states none. */
  serverTime: number;
}

export type QueryRange = (query: NamedQuery, range: StepRange, signal?: AbortSignal) => Promise<RangeAnswer>;

/** Maximum size of an answer, bytes: parsing it takes some tenths of a second. */
const maxBytes = 33_554_432;

/** Maximum length of a server's error that is quoted, characters. */
const maxErrorLength = 300;

/** Errors of the client contain the host, the query, and if possible the setting to change, but no secret. */
export function createPrometheusClient(connection: PrometheusConnection): QueryRange {
  const url = new URL('api/v1/query_range', baseUrl(connection.url));

  return async (query, range, signal) => {
    const failed = (what: string, cause?: unknown): Error =>
      new Error(
        `Prometheus at ${url.host}, query "${query.name}": ${what}`,
        cause === undefined ? {} : { cause },
      );
    const answer = await request(query, range, signal).catch((cause: unknown) => {
      throw failed(firstLineOf(cause), cause);
    });
    const content = parseContent(answer.body);
    if (answer.status !== 200)
      throw Object.assign(failed(describeRefusal(answer, content)), { retryAfterMs: answer.retryAfterMs });
    return {
      ...readAnswer(content, range, connection.maxSeries, failed),
      serverTime: answer.time,
    };
  };

  async function request(
    { text }: NamedQuery,
    { from, to, step }: StepRange,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    const { username, password, passwordFile, tokenFile, tenant, tls, timeoutMs } = connection;
    const body = new URLSearchParams({
      query: text,
      start: seconds(from),
      end: seconds(to),
      step: seconds(step),
      timeout: `${timeoutMs}ms`,
      // For Thanos and VictoriaMetrics: an error instead of an answer that lacks series.
      partial_response: 'false',
      deny_partial_response: '1',
      // Without this, VictoriaMetrics moves the evaluation times to fit its cache.
      nocache: '1',
    }).toString();
    return ask({
      url,
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': String(Buffer.byteLength(body)),
        'user-agent': 'vaemon',
        ...authorization(username, () => readSecret(password, passwordFile), tokenFile),
        ...(tenant !== '' && { 'x-scope-orgid': tenant }),
      },
      body,
      ca: tls.ca === '' ? undefined : readText(tls.ca),
      identity: tls.cert === '' ? undefined : { cert: readText(tls.cert), key: readText(tls.key) },
      timeoutMs,
      maxBytes,
      ...(signal !== undefined && { signal }),
    });
  }
}

function authorization(username: string, password: () => string, tokenFile: string): Record<string, string> {
  if (tokenFile !== '') return { authorization: `Bearer ${readSecret('', tokenFile)}` };
  if (username === '') return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password()}`).toString('base64')}` };
}

/** Milliseconds to decimal seconds. */
function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function describeRefusal({ status }: HttpAnswer, content: JsonObject | undefined): string {
  const { error } = content ?? {};
  const reason = typeof error === 'string' ? ` (${error.slice(0, maxErrorLength)})` : '';
  const advice: Record<number, string> = {
    400: 'check source.prometheus.queries',
    401: 'check source.prometheus.username and its password, or tokenFile',
    403: 'check source.prometheus.username and its password, or tokenFile',
    404: 'check source.prometheus.url',
  };
  const hint = advice[status];
  return `HTTP ${status}${reason}${hint === undefined ? '' : `: ${hint}`}`;
}

/** The JSON object of an answer; undefined if there is none. */
function parseContent(body: string): JsonObject | undefined {
  try {
    const content: unknown = JSON.parse(body);
    return isObject(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

function readAnswer(
  content: JsonObject | undefined,
  range: StepRange,
  maxSeries: number,
  failed: (what: string) => Error,
): Omit<RangeAnswer, 'serverTime'> {
  const { data, warnings } = content ?? {};
  const result = isObject(data) ? data['result'] : undefined;
  if (content?.['status'] !== 'success' || !Array.isArray(result))
    throw failed('the answer is cut off, or not one of Prometheus: check source.prometheus.url');
  if (content['isPartial'] === true) throw failed('the answer is partial: a storage node is unavailable');
  if (result.length > maxSeries)
    throw failed(
      `${result.length} series, more than source.prometheus.maxSeries (${maxSeries}): select or aggregate fewer`,
    );
  return {
    series: result.map((one: unknown) => readSeries(one, range, failed)),
    warnings: Array.isArray(warnings)
      ? warnings
          .filter((one): one is string => typeof one === 'string')
          .map((one) => one.slice(0, maxErrorLength))
      : [],
  };
}

function readSeries(series: unknown, { from, to, step }: StepRange, failed: (what: string) => Error): Series {
  const { metric, values = [], histograms } = isObject(series) ? series : {};
  if (histograms !== undefined)
    throw failed(
      'the result has native histograms, not numbers: apply histogram_quantile, histogram_avg or histogram_count',
    );
  if (!isLabels(metric) || !Array.isArray(values)) throw failed('the answer has no series of numbers');
  const samples = values.map((sample: unknown): [number, string] => {
    const [at, value] = Array.isArray(sample) ? (sample as unknown[]) : [];
    if (typeof at !== 'number' || typeof value !== 'string')
      throw failed('the answer has no series of numbers');
    const time = Math.round(at * 1000);
    if (time < from || time > to || (time - from) % step !== 0)
      throw failed(`the answer has a value at ${writeTime(time)}, which was not asked for`);
    return [time, value];
  });
  return { labels: metric, samples };
}

/** @param time Unix ms, perhaps beyond what a date can be */
function writeTime(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? `${time / 1000} s` : date.toISOString();
}

function isLabels(metric: unknown): metric is Record<string, string> {
  return isObject(metric) && Object.values(metric).every((value) => typeof value === 'string');
}
