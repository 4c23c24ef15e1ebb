import { createTrialStore } from '../../../src/store/trials';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import Ajv, { type ValidateFunction } from 'ajv/dist/2020';
import { routes } from '../../../src/web/api/api';
import { openApiDocument } from '../../../src/web/api/openapi';
import { began, changeToken, eventOf, play, startApi, type Started } from './harness';

let started: Started;
beforeEach(async () => {
  started = await startApi();
});
afterEach(() => started.stop());

const document = openApiDocument(routes, '1.2.3') as {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>
  >;
  components: { schemas: Record<string, object> };
};
const ajv = new Ajv({ strict: true, validateFormats: false, allowUnionTypes: true });
ajv.addKeyword('components');
ajv.addSchema({ $id: 'api', components: document.components });

/** Compiled once for each answer of an operation. */
const validators = new Map<object, ValidateFunction>();

function validatorOf(schema: object): ValidateFunction {
  let validate = validators.get(schema);
  if (validate === undefined) {
    const text = JSON.stringify(schema).replaceAll('"#/', '"api#/');
    validators.set(schema, (validate = ajv.compile(JSON.parse(text) as object)));
  }
  return validate;
}

/** Checks that an answer is what the document says of an operation. */
async function checked(
  response: Response,
  template: string,
  status: number,
  method = 'get',
): Promise<Record<string, unknown>> {
  const body = (await response.json()) as Record<string, unknown>;
  expect([response.status, body]).toEqual([status, expect.anything()]);
  const operation = document.paths[`/api/v1${template}`]![method]!;
  const { schema } = operation.responses[status]!.content['application/json']!;
  const validate = validatorOf(schema);
  validate(body);
  expect(validate.errors).toBeNull();
  return body;
}

const ask = async (template: string, path: string, status = 200) =>
  checked(await started.get(path), template, status);

const idOf = (key: string): string => eventOf(key, 'open').id;

describe('the document', () => {
  test('is served, and has every route', async () => {
    const served = (await (await started.get('/openapi.json')).json()) as typeof document;
    expect(served).toEqual(JSON.parse(JSON.stringify(document)));
    const operations = Object.entries(served.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(operations.sort()).toEqual(routes.map(({ method, path }) => `${method} /api/v1${path}`).sort());
  });

  test('refers to schemas that exist', () => {
    const names = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)].map(
      ([, name]) => name!,
    );
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) expect(document.components.schemas).toHaveProperty(name);
  });

  test('gives each operation a name of its own', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map((one) => (one as unknown as { operationId: string }).operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('what it returns', () => {
  test('of detectors, those that do not run included', async () => {
    const { detectors } = await ask('/detectors', '/detectors');
    expect(detectors).toMatchObject([
      {
        name: 'plant',
        ready: true,
        recordsPerSecond: 12.5,
        budget: { eventsPerDay: 5 },
        model: { power: { trained: { byKind: { spike: 0.9 } } } },
      },
      { name: 'broken', ready: false, reason: 'cannot continue: no model' },
    ]);
    expect(await ask('/detectors/{detector}', '/detectors/plant')).toMatchObject({ name: 'plant' });
  });

  test('of events: the newest first, filtered, page by page', async () => {
    for (const key of ['a', 'b', 'C/1']) play(started.past, key);
    started.past.report(
      [eventOf('b', 'open', { id: 'plant/b/2', openedAt: began + 70_000, peakSurprise: 9 })],
      [],
    );
    const all = await ask('/events', '/events');
    expect(all).toMatchObject({ total: 4, events: [{ id: 'plant/b/2' }, {}, {}, {}] });
    const keysOf = async (query: string): Promise<string[]> =>
      ((await ask('/events', `/events?${query}`))['events'] as { key: string }[]).map(({ key }) => key);
    expect(await keysOf('status=open')).toEqual(['b']);
    expect(await keysOf('status=closed&key=b')).toEqual(['b']);
    expect(await keysOf('search=c%2F')).toEqual(['C/1']);
    expect(await keysOf('minSurprise=7')).toEqual(['b']);
    expect(await keysOf('channel=power')).toEqual([]);
    expect(await keysOf(`to=${began + 10}`)).toEqual([]);
    const first = await ask('/events', '/events?limit=3');
    const second = await ask(
      '/events',
      `/events?limit=3&after=${encodeURIComponent(first['next'] as string)}`,
    );
    expect([...(first['events'] as []), ...(second['events'] as [])]).toEqual(all['events']);
    expect(second).not.toHaveProperty('next');
  });

  test('of all processes that score: sums, and what is stale since when', async () => {
    const [own] = started.told.processes;
    started.told.processes.push(
      { ...own!, name: 'other', partitions: [1], devices: 4, openEvents: 2, spentRatio: 0.5 },
      { ...own!, name: 'dead', partitions: [2], devices: 3, openEvents: 1, stale: true, at: began + 5 },
    );
    expect(await ask('/detectors/{detector}', '/detectors/plant')).toMatchObject({
      devices: 7,
      openEvents: 3,
      // Nothing comes to the dead one.
      recordsPerSecond: 25,
      budget: { spentRatio: 0.5 },
      processes: [
        { stale: false },
        { name: 'other', stale: false },
        { name: 'dead', stale: true, at: began + 5 },
      ],
    });
    started.past.report([eventOf('b', 'open', { id: 'plant/b/2' })], []);
    const event = async (): Promise<unknown> =>
      (await ask('/events/{id}', `/events/${encodeURIComponent('plant/b/2')}`))['staleSince'];
    expect(await event()).toBeUndefined();
    Object.assign(own!, { stale: true, at: began + 9 });
    expect(await event()).toBe(began + 9);
    started.past.report([eventOf('b', 'closed', { id: 'plant/b/2' })], []);
    expect(await event()).toBeUndefined();
  });

  test('of one event: the records around it, what is expected, and the usual band', async () => {
    play(started.past, 'C/1');
    const event = await ask('/events/{id}', `/events/${encodeURIComponent(idOf('C/1'))}`);
    expect(event).toMatchObject({
      key: 'C/1',
      rarity: 'once in 1,000,000 normal records',
      channels: ['flow', 'power'],
    });
    const { records, band } = event as unknown as {
      records: { actual: number[][]; surprise: number[] };
      band: number[];
    };
    expect(records.actual[0]).toHaveLength(records.surprise.length);
    expect(records.actual[0]).toContain(9);
    // Errors are 0 and 0.1.
    expect(band[0]).toBeCloseTo(3 * Math.sqrt(0.005), 2);
    expect(band[1]).toBe(0);
  });

  test('of a device: scores by minute, and the newest records', async () => {
    play(started.past, 'a');
    const device = await ask('/detectors/{detector}/devices/{key}', '/detectors/plant/devices/a');
    expect(device).toMatchObject({
      minutes: [
        { at: began, surprise: 6, records: 60, anomalous: 20 },
        { at: began + 60_000, surprise: 1, records: 20 },
      ],
    });
    const list = await ask('/detectors/{detector}/devices', '/detectors/plant/devices?search=A');
    expect(list).toEqual({ devices: [{ key: 'a', newest: began + 60_000 }], total: 1 });
  });

  describe('of another target', () => {
    const template = '/detectors/{detector}/what-if';
    const whatIf = (target?: string, status = 200) =>
      ask(
        template,
        `/detectors/plant/what-if${target === undefined ? '' : `?target=${encodeURIComponent(target)}`}`,
        status,
      );

    test('the events that it would have opened, those that there were by their ids, and those missed', async () => {
      play(started.past, 'a');
      play(started.past, 'C/1');
      expect(await whatIf()).toMatchObject({
        target: '5 per day',
        configured: '5 per day',
        from: began + 60_000 - 239 * 60_000,
        to: began + 120_000,
        total: 2,
        events: [
          { key: 'a', status: 'closed', start: began, end: began, peakSurprise: 6, event: idOf('a') },
          { key: 'C/1', event: idOf('C/1') },
        ],
        missed: [],
      });
      // Records have a surprise of 1 or 6.
      expect(await whatIf('0.5')).toMatchObject({ threshold: -Math.log10(0.5), total: 2, missed: [] });
      const strict = await whatIf('0.0000005');
      expect(strict).toMatchObject({ total: 0, events: [], missed: expect.arrayContaining([idOf('a')]) });
    });

    test.each([
      ['2', 'must be a ratio above 0 and below 1'],
      ['often', 'must be a ratio above 0 and below 1'],
      ['1 per year', 'ask for more, or train on more records'],
    ])('%s is refused', async (target, message) => {
      play(started.past, 'a');
      expect((await whatIf(target, 400))['error']).toContain(message);
    });

    test('without scores there is nothing to suppose', async () => {
      expect(await whatIf('0.01', 409)).toMatchObject({ error: 'there are no scores yet' });
    });
  });

  test('of versions', async () => {
    const { versions } = await ask('/detectors/{detector}/versions', '/detectors/plant/versions');
    expect(versions).toHaveLength(1);
    const path = '/detectors/plant/versions/20260101T000000.000Z';
    expect(await ask('/detectors/{detector}/versions/{version}', path)).toMatchObject({
      report: { epochs: 12 },
    });
  });
});

describe('what does not exist', () => {
  test.each([
    ['/events/{id}', '/events/nothing'],
    ['/events/{id}', '/events/..%2F..%2Fetc%2Fpasswd'],
    ['/events', '/events?after=nothing'],
    ['/detectors/{detector}', '/detectors/nothing'],
    ['/detectors/{detector}/versions', '/detectors/nothing/versions'],
    ['/detectors/{detector}/devices/{key}', '/detectors/plant/devices/nothing'],
    ['/detectors/{detector}/versions/{version}', '/detectors/plant/versions/..%2F..%2Fcurrent'],
  ])('is 404: %s as %s', async (template, path) => {
    expect(await ask(template, path, 404)).toHaveProperty('error');
  });

  test('is 503 where the detector does not run, with the reason', async () => {
    const body = await ask('/detectors/{detector}/versions', '/detectors/broken/versions', 503);
    expect(body).toMatchObject({ hint: 'cannot continue: no model' });
  });

  test.each(['/nothing', '', '/', '/events/a/b', '//events'])('path %j', async (path) => {
    expect((await started.get(path)).status).toBe(404);
  });

  test('a method', async () => {
    const headers = { 'content-type': 'application/json', authorization: 'Bearer a-token-for-changes' };
    expect((await started.get('/events', { method: 'DELETE', headers })).status).toBe(405);
  });
});

test.each([
  ['limit=0', 'limit must be >= 1'],
  ['limit=1e9', 'limit must be <= 500'],
  ['limit=x', 'limit must be integer'],
  ['limit=', 'limit must be integer'],
  ['minSurprise=NaN', 'minSurprise must be number'],
  ['status=shut', 'status must be equal to one of the allowed values: open, closed, held_back'],
  ['status=open&status=closed', 'parameter "status" is given twice'],
  ['colour=red', 'unknown parameter "colour"'],
])('the parameter %s is refused', async (query, message) => {
  const body = await ask('/events', `/events?${query}`, 400);
  expect(body['error']).toContain(message);
});

test('a path with a broken escape is refused', async () => {
  const status = await new Promise((resolve, reject) => {
    request(`${started.url}/api/v1/events/%zz`, (response) => resolve(response.resume().statusCode))
      .once('error', reject)
      .end();
  });
  expect(status).toBe(400);
});

describe('limits', () => {
  test('reads beyond the burst are refused, and allowed again later', async () => {
    let ms = 0;
    const limited = await startApi({ now: () => ms });
    const statuses = await Promise.all(
      Array.from({ length: 450 }, async () => (await limited.get('/detectors')).status),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(400);
    expect(statuses.filter((status) => status === 429)).toHaveLength(50);
    ms += 1000;
    expect((await limited.get('/detectors')).status).toBe(200);
    await limited.stop();
  });

  test('guessing tokens is slow, and locks out nobody who has one', async () => {
    const limited = await startApi({ now: () => 0 });
    const with_ = async (token: string) =>
      (await limited.get('/detectors', { headers: { authorization: `Bearer ${token}` } })).status;
    const statuses = await Promise.all(Array.from({ length: 30 }, (_, i) => with_(`guess-${i}`)));
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    expect(await with_('a-token-for-changes')).toBe(200);
    await limited.stop();
  });
});

describe('the stream', () => {
  /** Reads until the text contains `end`. */
  async function readUntil(response: Response, end: string): Promise<string> {
    const reader = response
      .body!.pipeThrough(new TextDecoderStream() as never)
      .getReader() as ReadableStreamDefaultReader<string>;
    let text = '';
    while (!text.includes(end)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    await reader.cancel();
    return text;
  }

  test('has the events that open and close, as the list has them', async () => {
    const response = await started.get('/events/stream');
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    play(started.past, 'a');
    const text = await readUntil(response, '"status":"closed"');
    const events = [...text.matchAll(/^event: event\ndata: (.*)$/gm)].map(
      ([, data]) => JSON.parse(data!) as object,
    );
    expect(events).toMatchObject([{ status: 'open' }, { status: 'closed' }]);
    const { events: listed } = await ask('/events', '/events');
    expect(events.at(-1)).toEqual((listed as object[])[0]);
  });

  test('is refused beyond the number of clients, and ends with the server', async () => {
    const open = await Promise.all(Array.from({ length: 32 }, () => started.get('/events/stream')));
    expect((await started.get('/events/stream')).status).toBe(503);
    await open[0]!.body!.cancel();
    const [stopped] = await Promise.all([startApi().then((other) => other.stop()), open[1]!.body!.cancel()]);
    expect(stopped).toBeUndefined();
  });
});

test('an error inside is logged, and its text is not returned', async () => {
  const logged: unknown[] = [];
  const failing = await startApi({
    log: { error: (...line) => logged.push(line), warn: () => undefined },
    view: { versions: () => Promise.reject(new Error('/var/secret/path')) },
  });
  const response = await failing.get('/detectors/plant/versions');
  expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining('secret')]);
  expect(logged).toHaveLength(1);
  await failing.stop();
});

describe('changes', () => {
  const labelPath = `/events/${encodeURIComponent(idOf('pump-7'))}/label`;
  const change = async (method: string, template: string, path: string, body?: unknown, status = 200) =>
    checked(await started.change(method, path, body), template, status, method.toLowerCase());
  const label = (body: object, status = 200) => change('POST', '/events/{id}/label', labelPath, body, status);
  const labels = (): string[] => readFileSync(started.labelFile, 'utf8').trim().split('\n').slice(1);

  test('a label reaches the file of labels, the event, the clients and the audit log', async () => {
    play(started.past, 'pump-7');
    const seen: unknown[] = [];
    started.past.subscribe((past) => seen.push(past.label?.label));
    const event = await label({ label: 'anomaly', note: 'the seal leaks', revision: 0 });
    expect(event).toMatchObject({ label: { label: 'anomaly', note: 'the seal leaks' }, revision: 1 });
    expect(labels()).toEqual([
      '2026-01-05T00:00:40.000Z,2026-01-05T00:00:59.000Z,pump-7,anomaly,the seal leaks',
    ]);
    expect(seen).toEqual(['anomaly']);
    expect(started.told.labelled).toBe(1);
    expect(await ask('/events/{id}', labelPath.replace('/label', ''))).toMatchObject({ revision: 1 });
    expect(started.audited()).toMatchObject([
      { request: 1, method: 'POST', from: '127.0.0.1', body: { label: 'anomaly', note: 'the seal leaks' } },
      { request: 1, done: true },
    ]);
    expect(JSON.stringify(started.audited())).not.toContain(changeToken);
  });

  test('of two people who label the same event at once, one is told of the other', async () => {
    play(started.past, 'pump-7');
    const answers = await Promise.all(
      ['anomaly', 'normal'].map((one) => started.change('POST', labelPath, { label: one, revision: 0 })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(labels()).toHaveLength(1);
    const { hint } = (await answers.find(({ status }) => status === 409)!.json()) as { hint: string };
    expect(hint).toMatch(/it is "(anomaly|normal)" now; send the revision 1/);
    await label({ label: 'new normal', revision: 1 });
    expect(labels()).toHaveLength(2);
  });

  test('a revision that the event has not reached is refused', async () => {
    play(started.past, 'pump-7');
    expect(await label({ label: 'normal', revision: 7 }, 409)).toMatchObject({
      error: 'the event has no label',
      hint: 'send the revision 0',
    });
  });

  test('a label without a place for labels is refused, with what to configure', async () => {
    await started.stop();
    started = await startApi({ labels: false });
    play(started.past, 'pump-7');
    expect(await label({ label: 'normal', revision: 0 }, 409)).toMatchObject({
      hint: expect.stringContaining('training.labels.file') as string,
    });
    expect(started.audited().at(-1)).toMatchObject({ done: false });
  });

  test('a label that cannot be written is refused, and the event stays as it was', async () => {
    play(started.past, 'pump-7');
    writeFileSync(started.labelFile, 'start,end\n');
    const answer = await label({ label: 'normal', revision: 0 }, 503);
    expect(answer['hint']).toContain('has no column key, label');
    expect(started.past.event(idOf('pump-7'))!.revision).toBe(0);
  });

  test('an event whose version is gone is shown and labelled; the version is said not to exist', async () => {
    const gone = await started.store.publish(new Map([['report.json', Buffer.from('{}')]]), {});
    await started.store.setCurrent('20260101T000000.000Z');
    started.past.report([eventOf('pump-7', 'open', { modelVersion: gone })], []);
    started.past.report([eventOf('pump-7', 'closed', { modelVersion: gone })], []);
    rmSync(join(started.directory, 'plant', 'versions', gone), { recursive: true });
    const path = labelPath.replace('/label', '');
    expect(await ask('/events/{id}', path)).toMatchObject({ modelVersion: gone });
    await label({ label: 'normal', revision: 0 });
    expect(labels()).toHaveLength(1);
    expect(started.past.event(idOf('pump-7'))).toMatchObject({ revision: 1 });
    const versions = '/detectors/plant/versions';
    expect(await started.get(`${versions}/${gone}`).then(({ status }) => status)).toBe(404);
    const { versions: listed } = await ask('/detectors/{detector}/versions', versions);
    expect(listed).toEqual([expect.objectContaining({ current: true })]);
    const expected = '20260101T000000.000Z';
    const use = await started.change('PUT', '/detectors/plant/current', { version: gone, expected });
    expect([use.status, await use.json()]).toEqual([404, { error: `there is no version "${gone}"` }]);
    expect(await started.store.current()).toBe(expected);
  });

  test('a mute concerns the events that open from now on, and can be removed', async () => {
    play(started.past, 'pump-7', 0, 10);
    const path = '/detectors/plant/mutes';
    const template = '/detectors/{detector}/mutes';
    const mute = await change('POST', template, path, { key: 'pump-7', forMs: 3_600_000, note: 'cleaning' });
    expect(mute).toMatchObject({
      detector: 'plant',
      key: 'pump-7',
      from: began,
      until: began + 3_600_000,
      inForce: true,
    });
    expect(started.mutes.mark([eventOf('pump-7', 'open'), eventOf('pump-8', 'open')])).toMatchObject([
      { muted: true },
      expect.not.objectContaining({ muted: true }),
    ]);
    const recurring = { cron: '0 2 * * 0', forMs: 7_200_000, timeZone: 'Europe/Berlin' };
    await change('POST', template, path, { channel: 'flow', recurring });
    expect((await ask('/mutes', '/mutes'))['mutes']).toMatchObject([
      { inForce: true },
      { inForce: false, until: null, recurring },
    ]);
    const one = '/detectors/{detector}/mutes/{id}';
    await change('DELETE', one, `${path}/${String(mute['id'])}`);
    await change('DELETE', one, `${path}/${String(mute['id'])}`, undefined, 404);
    expect(started.mutes.list()).toHaveLength(1);
  });

  test.each([
    [{}, 'no end'],
    [{ forMs: 1000, until: began + 1000 }, 'both'],
    [{ until: 5 }, 'over before it begins'],
    [{ recurring: { cron: 'x', forMs: 60_000, timeZone: 'UTC' } }, 'not valid'],
    [{ recurring: { cron: '0 2 * * 0', forMs: 60_000, timeZone: 'Mars/Base' } }, 'not valid'],
    [{ recurring: { cron: '* * * * * *', forMs: 60_000, timeZone: 'UTC' } }, 'not valid'],
    [{ recurring: { cron: '0 2 31 2 *', forMs: 60_000, timeZone: 'UTC' } }, 'no window of the mute begins'],
    [
      { until: began + 3_600_000, recurring: { cron: '0 2 * * *', forMs: 60_000, timeZone: 'UTC' } },
      'no window of the mute begins before it ends',
    ],
    [{ until: Number.MAX_SAFE_INTEGER }, 'too far away'],
    [{ from: Number.MIN_SAFE_INTEGER, until: began + 3_600_000 }, 'too far away'],
    [{ forMs: 1e6, colour: 'red' }, 'colour'],
    [{ forMs: '1000' }, 'forMs must be integer'],
    [{ forMs: 1e6, note: 'x'.repeat(501) }, 'note must NOT have more than 500 characters'],
    [[], 'must be object'],
    [null, 'must be object'],
  ])('the mute %j is refused', async (body, message) => {
    play(started.past, 'pump-7', 0, 10);
    const answer = await change('POST', '/detectors/{detector}/mutes', '/detectors/plant/mutes', body, 400);
    expect(answer['error']).toContain(message);
    expect(started.mutes.list()).toEqual([]);
  });

  test('a training is started, unless one runs or a version is pinned', async () => {
    const train = (status: number) =>
      change('POST', '/detectors/{detector}/training', '/detectors/plant/training', {}, status);
    expect(await train(202)).toEqual({ training: 'started' });
    started.told.isTraining = true;
    await train(409);
    started.told.isTraining = false;
    await started.store.pin('20260101T000000.000Z');
    expect(await train(409)).toMatchObject({ hint: 'unpin it first' });
    expect(started.told.trainings).toBe(1);
  });

  test('a version is used, pinned and unpinned, if the current one is that which the person has seen', async () => {
    const first = '20260101T000000.000Z';
    const second = await started.store.publish(new Map([['report.json', Buffer.from('{}')]]), {});
    const path = '/detectors/plant/current';
    const use = (body: object, status = 200) =>
      change('PUT', '/detectors/{detector}/current', path, body, status);
    await use({ version: first, expected: first }, 409);
    await use({ version: '../current', expected: second }, 404);
    await use({ version: '20250101T000000.000Z', expected: second }, 404);
    const { versions } = await use({ version: first, expected: second, pin: true });
    expect(versions).toMatchObject([
      { version: second, current: false, pinned: false },
      { version: first, current: true, pinned: true },
    ]);
    expect(started.told.used).toEqual([[first, true]]);
    started.told.isTraining = true;
    await use({ version: second, expected: first }, 409);
    const pin = '/detectors/{detector}/pin';
    expect((await change('DELETE', pin, '/detectors/plant/pin'))['versions']).toMatchObject([
      {},
      { pinned: false },
    ]);
  });

  test('a version on trial is shown with its gates, compared and promoted', async () => {
    const first = '20260101T000000.000Z';
    const report = { epochs: 20, span: { from: 1, to: 2 } };
    const files = new Map([['report.json', Buffer.from(JSON.stringify(report))]]);
    const second = await started.store.publish(files, {}, { onTrial: true });
    const promote = (body: object, status: number) =>
      change('POST', '/detectors/{detector}/promotion', '/detectors/plant/promotion', body, status);
    // Without a trial it is used like any other version.
    await promote({ version: second, expected: first }, 409);
    const trials = createTrialStore(started.directory, 'plant');
    const gates = [
      { gate: 'alarms', passed: false, value: 7, limit: 2, text: '7 of 9 records alarm' } as const,
    ];
    const at = { since: 1, changedAt: 2 };
    await trials.put({ version: second, before: first, state: 'refused', ...at, by: 'gates', gates });
    expect(
      (await ask('/detectors/{detector}/versions', '/detectors/plant/versions'))['versions'],
    ).toMatchObject([
      { version: second, current: false, trial: { state: 'refused', before: first, gates } },
      { version: first, current: true },
    ]);

    const compare = (query: string, status = 200) =>
      ask('/detectors/{detector}/comparison', `/detectors/plant/comparison?${query}`, status);
    expect(await compare(`a=${first}&b=${second}`)).toEqual({
      versions: [
        expect.objectContaining({ version: first }),
        expect.objectContaining({ version: second, trial: expect.objectContaining({ gates }) }),
      ],
      differences: [
        { what: 'report.epochs', values: [12, 20] },
        { what: 'report.span.from', values: [null, 1] },
        { what: 'report.span.to', values: [null, 2] },
      ],
    });
    await compare(`a=${first}`, 400);
    await compare(`a=${first}&b=../current`, 404);

    await promote({ version: '20250101T000000.000Z', expected: first }, 404);
    await promote({ version: second, expected: second }, 409);
    expect((await promote({ version: second, expected: first }, 200))['versions']).toMatchObject([
      { version: second, current: true, trial: { state: 'kept', by: 'person' } },
      { version: first, current: false },
    ]);
    expect(started.told.used).toEqual([[second, false]]);
    await promote({ version: second, expected: second }, 409);
    expect(started.audited().filter(({ path }) => String(path).endsWith('/promotion'))).toHaveLength(5);
  });

  test('nothing is changed while the audit log cannot be written', async () => {
    await started.stop();
    started = await startApi({ audit: () => Promise.reject(new Error('ENOSPC')) });
    play(started.past, 'pump-7');
    await label({ label: 'normal', revision: 0 }, 503);
    expect(labels()).toEqual([]);
    expect(started.past.event(idOf('pump-7'))!.revision).toBe(0);
  });

  test.each<[string, number, Record<string, string>, string?]>([
    ['without a token', 401, { authorization: '' }],
    ['with a wrong token', 401, { authorization: 'Bearer a-token-for-changeS' }],
    ['from a page of another site', 403, { 'sec-fetch-site': 'cross-site' }],
    ['of another origin', 403, { origin: 'https://evil.example.com' }],
    ['as a form', 415, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['as text', 415, { 'content-type': 'text/plain' }],
    ['that is no JSON', 400, {}, '{"label":'],
    ['that is huge', 413, {}, JSON.stringify({ label: 'normal', revision: 0, note: 'x'.repeat(70_000) })],
    ['with other fields', 400, {}, '{"label":"normal","revision":0,"__proto__":{"x":1}}'],
    ['without a revision', 400, {}, '{"label":"normal"}'],
  ])(
    'a request %s is refused with %d, and changes nothing',
    async (_, status, headers, body = '{"label":"normal","revision":0}') => {
      play(started.past, 'pump-7');
      const response = await started.change('POST', labelPath, body, headers);
      expect([response.status, await response.json()]).toEqual([
        status,
        expect.objectContaining({ error: expect.any(String) as string }),
      ]);
      expect(labels()).toEqual([]);
      expect(started.audited()).toEqual([]);
    },
  );

  test('a body that grows without an announced length is cut off', async () => {
    const endless = request(`${started.url}/api/v1${labelPath}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${changeToken}` },
    });
    const status = new Promise((resolve, reject) => {
      endless.once('response', (response) => resolve(response.resume().statusCode)).once('error', reject);
    });
    const timer = setInterval(() => endless.write('x'.repeat(10_000)), 5);
    expect(await status).toBe(413);
    clearInterval(timer);
    endless.on('error', () => undefined).destroy();
  });

  test('refused requests take nothing from others, and do not fill the log', async () => {
    await started.stop();
    const warn = jest.fn();
    started = await startApi({ now: () => 0, log: { error: () => undefined, warn } });
    const path = '/detectors/plant/training';
    const foreign = { origin: 'https://evil.example.com' };
    await Promise.all(Array.from({ length: 60 }, () => started.change('POST', path, {}, foreign)));
    expect(warn).toHaveBeenCalledTimes(10);
    expect((await started.change('POST', path, {})).status).toBe(202);
  });

  test('too many changes are refused', async () => {
    await started.stop();
    started = await startApi({ now: () => 0 });
    const path = '/detectors/plant/training';
    const answers = await Promise.all(Array.from({ length: 25 }, () => started.change('POST', path, {})));
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(5);
    expect(started.told.trainings).toBe(20);
  });

  test('are off without a token', async () => {
    await started.stop();
    started = await startApi({
      access: { reading: 'open', readToken: () => undefined, changeToken: () => undefined },
    });
    expect((await started.change('POST', '/detectors/plant/training', {})).status).toBe(403);
    expect(started.told.trainings).toBe(0);
  });
});
