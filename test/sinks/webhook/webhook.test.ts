import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseTemplate, templateFields } from '../../../src/sinks/webhook/template';
import { createWebhookSink, readUrl, sign, type WebhookSettings } from '../../../src/sinks/webhook/webhook';
import { startServer, stopServers } from '../../system/http-server';
import { createEvent } from '../events';
import { driveSink, endpoint } from '../notification/driven-sink';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vaemon-webhook-'));
});
afterEach(async () => {
  await stopServers();
  await rm(folder, { recursive: true });
});

const links = { page: 'https://v/', dashboard: 'https://g/d/device', runbook: 'https://r/x' };

async function create(given: Partial<WebhookSettings> = {}, status: (n: number) => number = () => 200) {
  const requests: { headers: IncomingHttpHeaders; body: string; path: string }[] = [];
  const { url } = await startServer(({ headers, url: path }, body) => {
    requests.push({ headers, body, path: path! });
    return [status(requests.length), 'ok'];
  });
  const settings = {
    url: `${url}/hook`,
    urlFile: '',
    template: '',
    secretFile: '',
    maxQueued: 10,
    links,
    ...endpoint,
    ...given,
  };
  const driven = driveSink((options) => createWebhookSink({ settings, ...options }));
  return { ...driven, requests, url };
}

test('each event is posted when it opens and when it ends, with all of it', async () => {
  const { sink, write, requests, counted, until } = await create();
  await write(createEvent(), createEvent({ status: 'closed', closedBy: 'quiet' }));
  await until(() => counted.delivered === 2);
  const bodies = requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  expect(bodies[0]).toMatchObject({
    type: 'vaemon.event.open',
    timestamp: '1970-01-01T00:00:11.000Z',
    data: {
      key: 'pump-3',
      start: '1970-01-01T00:00:10.000Z',
      contributions: [{ channel: 'flow' }, { channel: 'pressure' }],
      summary: 'pump-3: flow 1.23, expected 0.1',
      page: `https://v/#/event/${encodeURIComponent(createEvent().id)}`,
      dashboard: 'https://g/d/device?var-detector=plant&var-key=pump-3',
    },
  });
  expect(bodies[1]).toMatchObject({ type: 'vaemon.event.closed', data: { closedBy: 'quiet' } });
  expect(requests[0]!.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'vaemon' });
  expect(requests[0]!.headers['webhook-signature']).toBeUndefined();
  await sink.close();
});

test('devices of two partitions that fall silent together are one request', async () => {
  const { sink, write, requests } = await create();
  for (const key of ['a', 'b'])
    await write(
      createEvent({ id: `plant/${key}/silent`, kind: 'silent', key, keys: [key], contributions: [] }),
    );
  await sink.close();
  expect(requests.map(({ body }) => JSON.parse(body) as object)).toMatchObject([
    { type: 'vaemon.event.open', data: { keys: ['a', 'b'], summary: 'a: silent, 2 devices in all' } },
  ]);
});

test('a request that is repeated has the same id, and each event and status another one', async () => {
  const { sink, write, requests, counted, until } = await create({}, (n) => (n <= 2 ? 503 : 200));
  await write(createEvent(), createEvent({ status: 'closed' }));
  await until(() => counted.delivered === 2);
  const ids = requests.map(({ headers }) => headers['webhook-id']);
  expect(ids).toHaveLength(4);
  expect(new Set(ids.slice(0, 3)).size).toBe(1);
  expect(ids[3]).not.toBe(ids[0]);
  expect(counted).toMatchObject({ failed: 2, dropped: 0 });
  await sink.close();
});

test('a signature is the one of Standard Webhooks, with the secret that the file has now', async () => {
  // The example of the specification.
  expect(
    sign(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      '1614265330',
      '{"test": 2432232314}',
    ),
  ).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  const secretFile = join(folder, 'secret');
  await writeFile(secretFile, 'one\n');
  const { sink, write, requests, counted, until } = await create({ secretFile });
  await write(createEvent());
  await until(() => counted.delivered === 1);
  await writeFile(secretFile, 'two');
  await write(createEvent({ status: 'closed' }));
  await until(() => counted.delivered === 2);
  requests.forEach(({ headers, body }, i) => {
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
    const expected = createHmac('sha256', ['one', 'two'][i]!).update(signed).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
  });
  await sink.close();
});

test('a secret that cannot be read delays the notification, until it can', async () => {
  const secretFile = join(folder, 'secret');
  const { sink, write, requests, counted, until, log } = await create({ secretFile });
  await write(createEvent());
  await until(() => counted.failed >= 1);
  expect(requests).toHaveLength(0);
  expect(log.entries[0]).toMatchObject({ message: 'notification not delivered: it is repeated' });
  await writeFile(secretFile, 's');
  await until(() => counted.delivered === 1);
  await sink.close();
});

test('a URL from a file appears in no message', async () => {
  const urlFile = join(folder, 'url');
  const { sink, write, counted, until, log, url } = await create({ url: '', urlFile }, () => 500);
  await writeFile(urlFile, `${url}/T0/s3cret\n`);
  await write(createEvent());
  await until(() => counted.failed >= 1);
  await writeFile(urlFile, 'ftp://x/s3cret');
  await until(() => counted.failed >= 3);
  expect(JSON.stringify(log.entries)).not.toContain('s3cret');
  expect(() => readUrl({ url: '', urlFile })).toThrow(`${urlFile} contains no URL`);
  await sink.close();
});

test('a secret URL that begins with http:// is a warning', async () => {
  const urlFile = join(folder, 'url');
  await writeFile(urlFile, 'http://hooks.example/s3cret');
  const { sink, log } = await create({ url: '', urlFile });
  expect(log.entries).toMatchObject([
    { level: 'warn', message: 'a secret is sent unencrypted: the URL begins with http://' },
  ]);
  await sink.close();
});

test('a receiver that never answers delays no batch, and a stop no longer than five seconds', async () => {
  const { sink, write, counted } = await create({ timeoutMs: 60_000 }, () => -1);
  // Neither waits for the timeout of a minute: this test has twenty seconds.
  for (let i = 0; i < 100; i++) await write(createEvent({ id: `e${i}` }));
  expect(counted).toMatchObject({ queued: 10, dropped: 90, delivered: 0 });
  await sink.close();
  expect(counted.dropped).toBe(100);
}, 20_000);

describe('a template', () => {
  const render = (template: unknown, event = createEvent()) =>
    JSON.parse(parseTemplate(JSON.stringify(template), 't.json')(event, links)) as unknown;

  test('gives a field its type, or its text within other text', () => {
    expect(
      render({
        text: '{{summary}} ({{ surprise }})',
        n: '{{surprise}}',
        list: ['{{key}}', 1, null, { deep: '{{channel}}' }],
        end: '{{end}}',
        'in {{end}}.': 'in {{end}}.',
      }),
    ).toEqual({
      text: 'pump-3: flow 1.23, expected 0.1 (7.123456)',
      n: 7.123456,
      list: ['pump-3', 1, null, { deep: 'flow' }],
      end: null,
      'in {{end}}.': 'in .',
    });
    expect(render('{{event}}')).toMatchObject({ key: 'pump-3', startMs: 10_000 });
  });

  test('has each field that docs/notifications.md names, for each kind of event', () => {
    const whole = Object.fromEntries(templateFields.map((name) => [name, `{{${name}}}`]));
    const silent = createEvent({ kind: 'silent', keys: ['a', 'b'], contributions: [], status: 'closed' });
    expect(render(whole)).toMatchObject({
      channel: 'flow',
      expected: 0.1,
      devices: 1,
      runbook: links.runbook,
    });
    expect(render(whole, silent)).toMatchObject({
      channel: '',
      value: null,
      devices: 2,
      end: expect.any(String),
    });
  });

  test('cannot be left by the text of a key', () => {
    const key = '"},{"a":"{{detector}}';
    expect(render({ k: 'key {{key}}' }, createEvent({ key }))).toEqual({ k: `key ${key}` });
  });

  test.each([
    ['{"a": {{key}}}', 't.json is not JSON'],
    ['{"a": "{{surprize}}"}', 't.json: {{surprize}} is no field of an event; did you mean "surprise"?'],
    ['{"a": "{{constructor}}"}', '{{constructor}} is no field'],
    ['{"a": "{{}}"}', '{{}} is no field'],
  ])('%s is refused at the start', (text, message) => {
    expect(() => parseTemplate(text, 't.json')).toThrow(message);
  });
});
