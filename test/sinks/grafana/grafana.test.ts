import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGrafanaSink, type GrafanaSettings } from '../../../src/sinks/grafana/grafana';
import { startServer, stopServers, type Answer } from '../../system/http-server';
import { createEvent } from '../events';
import { driveSink, endpoint } from '../notification/driven-sink';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-grafana-'));
});
afterEach(async () => {
  await stopServers();
  await rm(folder, { recursive: true });
});

interface Annotation {
  id: number;
  time: number;
  timeEnd?: number;
  text: string;
  tags: string[];
  dashboardUID?: string;
}

/** The annotations API as Grafana documents it. */
async function createGrafana() {
  const annotations: Annotation[] = [];
  const tokens = new Set<string | undefined>();
  let failure: Answer | undefined;
  /** Stores the annotation, but loses the answer. */
  let losesAnswers = 0;
  const { url } = await startServer(({ method, url: target, headers }, body): Answer => {
    tokens.add(headers.authorization);
    if (failure !== undefined) return failure;
    const { pathname, searchParams } = new URL(target!, 'http://x');
    const given = (): Annotation => JSON.parse(body) as Annotation;
    if (pathname === '/grafana/api/annotations' && method === 'GET') {
      const wanted = searchParams.getAll('tags');
      return [200, annotations.filter(({ tags }) => wanted.every((tag) => tags.includes(tag)))];
    }
    if (pathname === '/grafana/api/annotations' && method === 'POST') {
      annotations.push({ ...given(), id: annotations.length + 1 });
      if (losesAnswers-- > 0) return [0, ''];
      return [200, { message: 'Annotation added', id: annotations.length }];
    }
    const id = /^\/grafana\/api\/annotations\/(\d+)$/.exec(pathname)?.[1];
    const known = annotations.find((one) => one.id === Number(id));
    if (method !== 'PATCH' || known === undefined) return [404, { message: 'not found' }];
    Object.assign(known, given());
    return [200, { message: 'Annotation patched' }];
  });
  return {
    url,
    annotations,
    tokens,
    fail: (answer: Answer | undefined) => (failure = answer),
    loseAnswers: (count: number) => (losesAnswers = count),
  };
}

function create(url: string, given: Partial<GrafanaSettings> = {}) {
  const settings = {
    url: `${url}/grafana`,
    tokenFile: '',
    dashboardUid: '',
    tags: ['vaemon'],
    maxQueued: 10,
    links: { page: '', dashboard: '', runbook: '' },
    ...endpoint,
    ...given,
  };
  return driveSink((options) => createGrafanaSink({ settings, ...options }));
}

test('an event is a point when it opens, and the same annotation is a region when it has ended', async () => {
  const grafana = await createGrafana();
  const { sink, write, counted, until } = create(grafana.url, { dashboardUid: 'mine' });
  await write(createEvent());
  await until(() => counted.delivered === 1);
  expect(grafana.annotations).toEqual([
    {
      id: 1,
      dashboardUID: 'mine',
      time: 10_000,
      text: expect.stringMatching(/^pump-3: flow 1\.23, expected 0\.1\nDetector plant: /),
      tags: [
        'vaemon',
        'detector:plant',
        'key:pump-3',
        'kind:anomaly',
        expect.stringMatching(/^vaemon-event:/),
      ],
    },
  ]);
  await write(createEvent({ status: 'closed', end: 99_000 }));
  await until(() => counted.delivered === 2);
  expect(grafana.annotations).toHaveLength(1);
  expect(grafana.annotations[0]).toMatchObject({ time: 10_000, timeEnd: 99_000 });
  await sink.close();
});

test('neither a lost answer nor a restart writes an annotation twice', async () => {
  const grafana = await createGrafana();
  grafana.loseAnswers(1);
  const first = create(grafana.url);
  await first.write(createEvent());
  await first.until(() => first.counted.delivered === 1);
  expect(first.counted.failed).toBe(1);
  await first.sink.close();
  const second = create(grafana.url);
  await second.write(createEvent(), createEvent({ status: 'closed', end: 99_000 }));
  await second.until(() => second.counted.delivered === 2);
  expect(grafana.annotations).toHaveLength(1);
  expect(grafana.annotations[0]).toMatchObject({ timeEnd: 99_000 });
  await second.sink.close();
});

test('the token is the one that the file has now, and a long key is cut to the length of a tag', async () => {
  const grafana = await createGrafana();
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'one\n');
  const { sink, write, counted, until } = create(grafana.url, { tokenFile });
  await write(createEvent({ id: 'a', key: 'x'.repeat(1_000) }));
  await until(() => counted.delivered === 1);
  await writeFile(tokenFile, 'two');
  await write(createEvent({ id: 'b' }));
  await until(() => counted.delivered === 2);
  expect([...grafana.tokens]).toEqual(['Bearer one', 'Bearer two']);
  expect(grafana.annotations[0]!.tags.every((tag) => tag.length <= 100)).toBe(true);
  await sink.close();
});

test.each<[string, Answer, string]>([
  ['a login page', [200, '<html>'], 'does not answer with JSON'],
  ['a wrong token', [401, { message: 'Unauthorized' }], 'HTTP 401'],
])('%s is an error that is repeated', async (_, answer, message) => {
  const grafana = await createGrafana();
  grafana.fail(answer);
  const { sink, write, counted, until, log } = create(grafana.url);
  await write(createEvent());
  await until(() => counted.failed >= 2);
  expect(JSON.stringify(log.entries.map(({ fields }) => String(fields['err'])))).toContain(message);
  grafana.fail(undefined);
  await until(() => counted.delivered === 1);
  await sink.close();
});
