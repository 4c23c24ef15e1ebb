import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { chosenStatistics, eventPolicy } from '../../src/config/calibration';
import { settingsFingerprint } from '../../src/config/fingerprint';
import { loadSettings } from '../../src/config/load';
import type { LoadOptions } from '../../src/config/load';
import type { DetectorSettings } from '../../src/config/settings';
import { ConfigError, type ConfigProblem } from '../../src/errors';
import { minimalDetector, removeFolders, writeFolder } from './folder';

afterEach(removeFolders);

/** The problems of a configuration, the folder cut from the file's path. */
async function problemsOf(path: string, options: LoadOptions = { env: {} }): Promise<ConfigProblem[]> {
  const error: unknown = await loadSettings(path, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error('expected a ConfigError', { cause: error });
  return error.problems.map((one) => ({ ...one, file: one.file.replace(`${path}/`, '') }));
}

/** The problems of one detector's file, as `key: message`. */
async function problemsIn(text: string): Promise<string[]> {
  const folder = await writeFolder({ 'detectors/pump.yaml': text });
  return (await problemsOf(folder)).map(({ key, message }) => (key === '' ? message : `${key}: ${message}`));
}

async function loadDetector(text: string, options: LoadOptions = { env: {} }): Promise<DetectorSettings> {
  const folder = await writeFolder({ 'pump.yaml': text });
  return (await loadSettings(join(folder, 'pump.yaml'), options)).detectors[0]!.settings;
}

test.each([
  ['a rate as the target is the budget', 'calibration: {falseAlarmTarget: 2 per day}', 2],
  ['a ratio as the target is none', 'calibration: {falseAlarmTarget: 0.01}', undefined],
  [
    'a budget comes before the target',
    'calibration: {falseAlarmTarget: 2 per day}\nevents: {budget: 1 per week}',
    1 / 7,
  ],
  ['none is none', 'calibration: {falseAlarmTarget: 2 per day}\nevents: {budget: none}', undefined],
  ['the preset for sensors has one', 'preset: sensor', 1],
])('alarm budget: %s', async (_, text, perDay) => {
  const { eventsPerMs } = eventPolicy(await loadDetector(`${minimalDetector()}${text}\n`));
  expect(eventsPerMs === undefined ? undefined : eventsPerMs * 86_400_000).toEqual(
    perDay === undefined ? undefined : expect.closeTo(perDay, 9),
  );
});

describe('the statistics of images', () => {
  const camera = (keys = ''): string => `detector: camera
preset: image
source: { kind: file, file: { path: parts } }
record: { kind: image, image: { width: 64, height: 64 } }
${keys}`;

  test.each([
    ['backbone', ['patch', 'bank']],
    ['gradients', ['patch', 'channel', 'bank']],
    ['pixels', ['patch', 'channel', 'bank']],
    [undefined, ['balanced', 'linear', 'newest']],
  ] as const)('of %s follow from these features with the preset', async (features, names) => {
    const { statistics } = (await loadDetector(camera())).calibration;
    expect(statistics).toBe('auto');
    expect(chosenStatistics(statistics, features)).toEqual(names);
  });

  test('are those of the configuration if it has any, from an argument, too', async () => {
    const { calibration } = await loadDetector(camera('calibration: { statistics: [bank] }'));
    expect(chosenStatistics(calibration.statistics, 'backbone')).toEqual(['bank']);
    const overrides = { 'calibration.statistics': 'patch,llr' };
    const given = await loadDetector(camera(), { env: {}, overrides });
    expect(chosenStatistics(given.calibration.statistics, 'backbone')).toEqual(['patch', 'llr']);
    expect(await problemsIn(camera('calibration: { statistics: [patch, auto] }'))).toEqual([
      expect.stringMatching(
        /^calibration\.statistics: must be `auto`, or a list of .* \(item 2 is "auto"\)$/,
      ),
    ]);
  });

  test('leave the versions usable that have the same ones by name', async () => {
    const fingerprintOf = async (keys: string): Promise<string> =>
      settingsFingerprint(await loadDetector(camera(keys)));
    const before = 'calibration: { statistics: [patch, channel, bank] }';
    const gradients = 'model: { features: gradients }\n';
    expect(await fingerprintOf(gradients)).toBe(await fingerprintOf(`${gradients}${before}`));
    expect(await fingerprintOf('')).not.toBe(await fingerprintOf(before));
  });
});

describe('what a configuration yields', () => {
  test('a file alone gets every default', async () => {
    const folder = await writeFolder({ 'pump.yaml': minimalDetector() });
    const { daemon, detectors } = await loadSettings(join(folder, 'pump.yaml'), { env: {} });
    expect(daemon).toEqual({
      role: 'all',
      http: { host: '127.0.0.1', port: 9464, portFile: '' },
      api: { reading: 'loopback', readTokenFile: '', tokenFile: '' },
      reload: { intervalMs: 5000 },
      metrics: { openEvents: 100 },
      log: { level: 'info', format: 'auto' },
      store: { path: './var/models', pollIntervalMs: 5_000, leaseTimeoutMs: 30_000 },
      engine: { scoring: 'auto', training: 'auto', tensors: 'auto' },
      shutdownTimeoutMs: 30_000,
    });
    expect(detectors).toHaveLength(1);
    expect(detectors[0]).toMatchObject({
      file: join(folder, 'pump.yaml'),
      settings: {
        detector: 'pump',
        source: { kind: 'file', file: { historyRecords: 3600 } },
        record: { channels: ['pressure', 'flow'], conditions: [], maxAheadMs: 300_000 },
        window: { length: 10, ttlMs: 3_600_000 },
        model: { kind: 'cvae', latentDim: 8, hidden: [64, 32] },
        training: { schedule: '0 3 * * *', jitterMs: 300_000 },
        calibration: {
          falseAlarmTarget: { kind: 'ratio', ratio: 0.001 },
          share: 0.3,
          statistics: ['balanced', 'linear', 'newest'],
          groupBy: '',
        },
        events: { openRecords: 3, openWindow: 5, closeAfter: 10 },
      },
    });
  });

  test('a folder yields the daemon and the detectors in the order of their files', async () => {
    const folder = await writeFolder({
      'daemon.yaml': 'shutdownTimeout: 2m\nhttp: {port: 0}\n',
      'detectors/b.yml': minimalDetector('b'),
      'detectors/a.yaml': minimalDetector('a'),
      'detectors/notes.txt': 'not: [yaml',
      'detectors/.hidden.yaml': 'not: [yaml',
    });
    const { daemon, detectors } = await loadSettings(folder, { env: {} });
    expect(daemon).toMatchObject({ shutdownTimeoutMs: 120_000, http: { host: '127.0.0.1', port: 0 } });
    expect(detectors.map((one) => one.settings.detector)).toEqual(['a', 'b']);
  });

  test('files may be links, as in a Kubernetes ConfigMap', async () => {
    const folder = await writeFolder({ 'detectors/..data/pump.yaml': minimalDetector() });
    await symlink('..data/pump.yaml', join(folder, 'detectors', 'pump.yaml'));
    const { detectors } = await loadSettings(folder, { env: {} });
    expect(detectors).toHaveLength(1);
  });

  test('a sequence of empty sections is the defaults', async () => {
    const settings = await loadDetector(`${minimalDetector()}model:\nwindow: {}\n`);
    expect(settings.model.latentDim).toBe(8);
  });

  test('the map of conditions becomes a list, with the defaults of each kind', async () => {
    const text = minimalDetector().replace(
      'flow] }',
      `flow], conditions: {mode: {kind: category}, speed: {kind: number, missing: unknown},
        hour: {kind: hour-of-day, timeZone: Europe/Berlin}, day: {kind: day-of-week}} }`,
    );
    expect((await loadDetector(text)).record.conditions).toEqual([
      { name: 'mode', kind: 'category', maxValues: 64, missing: 'reject' },
      { name: 'speed', kind: 'number', missing: 'unknown' },
      { name: 'hour', kind: 'hour-of-day', timeZone: 'Europe/Berlin' },
      { name: 'day', kind: 'day-of-week', timeZone: 'UTC' },
    ]);
  });

  test('the map of signals becomes a list, in which everything is said', async () => {
    const text = minimalDetector().replace(
      'flow] }',
      'flow], signals: {flow: {direction: up, deadband: 0.5}, pressure: {limits: {min: 0, max: 10}}} }',
    );
    expect((await loadDetector(text)).record.signals).toEqual([
      { channel: 'flow', kind: 'auto', direction: 'up', deadband: 0.5, limits: {} },
      { channel: 'pressure', kind: 'auto', direction: 'both', deadband: 0, limits: { min: 0, max: 10 } },
    ]);
  });

  test('the result cannot be changed, at any depth', async () => {
    const settings = await loadDetector(minimalDetector());
    expect(() => Object.assign(settings.window, { length: 1 })).toThrow(TypeError);
    expect(() => (settings.record.channels as string[]).push('x')).toThrow(TypeError);
    expect(() => Object.assign(settings.calibration.falseAlarmTarget, { ratio: 1 })).toThrow(TypeError);
  });
});

describe('which value wins', () => {
  const text = `${minimalDetector()}window: { length: 20 }\n`;

  test('the environment wins over the file, and an argument over both', async () => {
    const env = { VAEMON_WINDOW_LENGTH: '30' };
    expect((await loadDetector(text)).window.length).toBe(20);
    expect((await loadDetector(text, { env })).window.length).toBe(30);
    const overrides = { 'window.length': '40' };
    expect((await loadDetector(text, { env, overrides })).window.length).toBe(40);
  });

  test('an empty variable counts as absent', async () => {
    expect((await loadDetector(text, { env: { VAEMON_WINDOW_LENGTH: '' } })).window.length).toBe(20);
  });

  test('the defaults of an image apply where nothing else has a value', async () => {
    const image =
      'http: { host: 0.0.0.0, port: 9000 }\nlog: { format: json }\nstore: { path: /var/lib/vaemon }\n';
    const folder = await writeFolder({
      'image.yaml': image,
      'own/daemon.yaml': 'http: { host: 127.0.0.1 }\nstore: { path: /models }\n',
      'own/detectors/pump.yaml': minimalDetector(),
    });
    const env = { VAEMON_DEFAULTS: join(folder, 'image.yaml'), VAEMON_LOG_FORMAT: 'text' };
    const { daemon } = await loadSettings(join(folder, 'own'), { env });
    expect(daemon.http).toMatchObject({ host: '127.0.0.1', port: 9000 });
    expect(daemon.store.path).toBe('/models');
    expect(daemon.log.format).toBe('text');
  });

  test.each([
    [
      'htp: { port: 1 }',
      [{ file: 'image.yaml', key: 'htp', message: expect.stringContaining('did you mean "http"') }],
    ],
    ['http: { port: many }', [{ file: 'image.yaml', key: 'http.port', message: expect.any(String) }]],
    [undefined, [{ file: 'image.yaml', key: '', message: 'does not exist' }]],
  ])('defaults that are wrong are problems of their file, once: %s', async (text, problems) => {
    const folder = await writeFolder({
      'detectors/pump.yaml': minimalDetector(),
      ...(text !== undefined && { 'image.yaml': text }),
    });
    const env = { VAEMON_DEFAULTS: join(folder, 'image.yaml') };
    expect(await problemsOf(folder, { env })).toEqual(problems);
  });

  test('an argument goes to every file whose schema has the key', async () => {
    const folder = await writeFolder({
      'detectors/a.yaml': minimalDetector('a'),
      'detectors/b.yaml': minimalDetector('b'),
    });
    const overrides = { 'http.port': '0', 'training.timeout': '90s' };
    const { daemon, detectors } = await loadSettings(folder, { env: {}, overrides });
    expect(daemon.http.port).toBe(0);
    expect(detectors.map((one) => one.settings.training.timeoutMs)).toEqual([90_000, 90_000]);
  });

  test.each([
    [
      'VAEMON_FILE_COLUMNS_CONDITIONS',
      'mode, site',
      { source: { file: { columns: { conditions: ['mode', 'site'] } } } },
    ],
    ['VAEMON_SINKS_LOG_ENABLED', 'false', { sinks: { log: { enabled: false } } }],
    ['VAEMON_MODEL_HIDDEN', '128,64', { model: { hidden: [128, 64] } }],
    ['VAEMON_MODEL_MIN_VARIANCE', '1e-4', { model: { minVariance: 1e-4 } }],
    ['VAEMON_TRAINING_SCHEDULE', '*/20 * * * * *', { training: { schedule: '*/20 * * * * *' } }],
    [
      'VAEMON_CALIBRATION_FALSE_ALARM_TARGET',
      '2 per day',
      { calibration: { falseAlarmTarget: { kind: 'rate', count: 2, perMs: 86_400_000 } } },
    ],
    [
      'VAEMON_EVENTS_BUDGET',
      '1 per week',
      { events: { budget: { kind: 'rate', count: 1, perMs: 604_800_000 } } },
    ],
    ['VAEMON_EVENTS_BUDGET', 'none', { events: { budget: 'none' } }],
  ])('%s=%s is read as what it means', async (name, value, expected) => {
    expect(await loadDetector(minimalDetector(), { env: { [name]: value } })).toMatchObject(expected);
  });

  test('the environment can set another source, and only the settings of that one are in force', async () => {
    const env = {
      VAEMON_SOURCE_KIND: 'kafka',
      VAEMON_KAFKA_BROKERS: 'a:9092, b:9093',
      VAEMON_KAFKA_TOPIC: 'in',
      VAEMON_SINKS_KAFKA_DEAD_LETTER_TOPIC: 'dead',
    };
    const { source } = await loadDetector(minimalDetector(), { env });
    expect(Object.keys(source)).toEqual(['kind', 'kafka']);
    expect(source).toMatchObject({ kafka: { brokers: ['a:9092', 'b:9093'], groupId: 'vaemon-pump' } });
  });
});

test.each([
  ['{kind: vae, latentDim: 3}', { kind: 'vae', latentDim: 3, network: 'mlp', likelihood: 'gaussian' }],
  ['{kind: beta-vae, beta: 0.5, betaSchedule: cyclical}', { beta: 0.5, betaSchedule: 'cyclical' }],
  ['{kind: aae, prior: swiss-roll}', { kind: 'aae', prior: 'swiss-roll' }],
  ['{kind: hvae, levels: [2, 4, 8], levelFreeBits: [0, 0.1, 0.5]}', { levelFreeBits: [0, 0.1, 0.5] }],
  ['{network: conv1d, likelihood: student-t}', { kind: 'cvae', network: 'conv1d' }],
])('a model %s is read', async (model, expected) => {
  expect((await loadDetector(`${minimalDetector()}model: ${model}\n`)).model).toMatchObject(expected);
});

describe('what is refused', () => {
  test('two problems in two files are both reported, with file and key', async () => {
    const folder = await writeFolder({
      'daemon.yaml': 'http: { prot: 80 }\n',
      'detectors/a.yaml': `${minimalDetector('a')}window: { length: ten }\n`,
    });
    expect(await problemsOf(folder)).toEqual([
      { file: 'daemon.yaml', key: 'http.prot', message: 'is not a known key; did you mean "port"?' },
      {
        file: 'detectors/a.yaml',
        key: 'window.length',
        message: 'must be a whole number from 1 to 10000 (got "ten")',
      },
    ]);
  });

  test('a typo, two wrong types and two rules are all reported in one go', async () => {
    const text = `${minimalDetector()}
model: { latnetDim: 4, hidden: 64, minVariance: 5, maxVariance: 2 }
window: { length: 0 }
events: { openRecords: 6 }
`;
    expect(new Set(await problemsIn(text))).toEqual(
      new Set([
        'model.latnetDim: is not a known key; did you mean "latentDim"?',
        'model.hidden: must be a list of whole numbers from 1 to 8192, at least one (got 64)',
        'window.length: must be a whole number from 1 to 10000 (got 0)',
        'model.minVariance: must be below model.maxVariance (got 5, 2)',
        'events.openRecords: must not be above events.openWindow (got 6, 5)',
      ]),
    );
  });

  test('an empty file lacks what is required', async () => {
    const [first, ...rest] = await problemsIn('');
    expect(first).toMatch(/^detector: is required: a name of up to 63 /);
    expect(rest).toEqual([
      'source.kind: is required: `file`, `kafka`, `prometheus` or `stdin`',
      'record.channels: is required: a list of names, at least one',
    ]);
  });

  test.each([
    ['model: 5', 'model: must be a map with keys such as kind (got 5)'],
    ['model: [latentDim]', 'model: must be a map with keys such as kind (got ["latentDim"])'],
    ['window: {length: {of: 3}}', 'window.length: must be a whole number from 1 to 10000 (got {"of":3})'],
    ['window: {length:}', 'window.length: must be a whole number from 1 to 10000 (got nothing)'],
    ['window: {length: 10x}', 'window.length: must be a whole number from 1 to 10000 (got "10x")'],
    ['window: {length: 2.5}', 'window.length: must be a whole number from 1 to 10000 (got 2.5)'],
    ['latentDim: 4', 'latentDim: is not a known key; did you mean "model.latentDim"?'],
    ['"model.latentDim": 4', 'model.latentDim: must be nested here, not dotted'],
    ['model: {maxVariance: .inf}', 'model.maxVariance: must be a number above 0 (got Infinity)'],
    ['sinks: {log: {enabled: no}}', 'sinks.log.enabled: must be `true` or `false` (got "no")'],
    [
      'calibration: {groupBy: mode}',
      /^calibration\.groupBy: must be a category of record\.conditions \(got "mode"\)$/,
    ],
    ['sinks: {kafka: {emit: some}}', 'sinks.kafka.emit: must be `all` or `anomalies` (got "some")'],
    ['training: {timeout: 30}', /^training\.timeout: must be a duration such as `30s`.* \(got 30\)$/],
    ['training: {timeout: 30d}', /^training\.timeout: must be .*, at most 24d \(got "30d"\)$/],
    ['training: {timeoutMs: 30}', 'training.timeoutMs: is not a known key; did you mean "timeout"?'],
    [
      'training: {schedule: "61 * * * *"}',
      /^training\.schedule: is not a cron expression \(got "61 .*minute/,
    ],
    [
      'training: {schedule: "0 3\\r\\n\\0 * *"}',
      /^training\.schedule: is not a cron expression \(got "0 3\\r\\n\\u0000 \* \*"\): [^\r\n\0]*$/,
    ],
    ['training: {schedule: "0 0 31 2 *"}', 'training.schedule: never comes due (got "0 0 31 2 *")'],
    ['training: {schedule: "2030-01-01T00:00:00"}', /^training\.schedule: is not a cron expression/],
    ['training: {timeZone: Europe/Berlyn}', /^training\.timeZone: must be an IANA time zone .*Berlyn/],
    ['calibration: {share: 1}', 'calibration.share: must be a ratio above 0 and below 1 (got 1)'],
    ['calibration: {falseAlarmTarget: 2}', /^calibration\.falseAlarmTarget: must be a ratio .* \(got 2\)$/],
    ['calibration: {falseAlarmTarget: 2 per month}', /^calibration\.falseAlarmTarget: .*"2 per month"\)$/],
    ['events: {budget: 0.01}', /^events\.budget: must be a rate .*, `auto` or `none` \(got 0.01\)$/],
    ['fields: {key: a..b}', 'fields.key: must be a dotted path of fields, or empty (got "a..b")'],
    ['model: {latentDim: 20}', /^model\.latentDim: must be below .* \(got 20, with 2 × 10 = 20\)$/],
    ['model: {kind: vea}', /^model\.kind: must be `vae`, `beta-vae`, .* or `[^`]+` \(got "vea"\)$/],
    ['model: {network: conv2d}', 'model.network: "conv2d" is for images only'],
    ['model: {features: gradients}', 'model.features: "gradients" is for images only'],
    [
      'model: {kind: cvae, prior: uniform}',
      'model.prior: is no option of `cvae`, only of `aae` (got "uniform")',
    ],
    [
      'model: {kind: vae, freeBits: 0.1}',
      'model.freeBits: is no option of `vae`, only of `beta-vae` or `cvae` (got 0.1)',
    ],
    [
      'model: {kind: hvae, latentDim: 5}',
      /^model\.latentDim: is no option of `hvae`, only of `vae`, `beta-vae`, .* \(got 5\)$/,
    ],
    ['model: {kind: hvae, levels: [3]}', 'model.levels: must have at least two levels (got [3])'],
    [
      'model: {kind: hvae, levels: [3, 20]}',
      'model.levels: must each be below channels × window.length (got 20, with 2 × 10 = 20)',
    ],
    [
      'model: {kind: hvae, levelWeights: [1]}',
      'model.levelWeights: must have one entry for each of the 2 levels, or none (got [1])',
    ],
    [
      'model: {kind: hvae, llrLevels: 2}',
      'model.llrLevels: must be below the number of levels (got 2, with 2 levels)',
    ],
    [
      'model: {kind: aae, prior: mixture, latentDim: 1}',
      /^model\.prior: needs a model\.latentDim of at least 2/,
    ],
    ['model: {kind: beta-vae, capacity: 5, freeBits: 1}', /^model\.freeBits: cannot be set together with/],
    ['training: {maxRecords: 500}', /^training\.minRecords: must not be above training\.maxRecords/],
    ['sinks: {kafka: {brokers: ["kafka"]}}', /^sinks\.kafka\.brokers: .* \(item 1 is "kafka"\)$/],
    ['sinks: {kafka: {detectionsTopic: a b}}', /^sinks\.kafka\.detectionsTopic: must be a topic name/],
    ['"": 1', '"": is not a known key'],
    ['__proto__: {polluted: true}', '__proto__: is not a known key'],
  ])('%s is refused', async (line, expected) => {
    const problems = await problemsIn(`${minimalDetector()}${line}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toEqual(expected instanceof RegExp ? expect.stringMatching(expected) : expected);
  });

  test('what is long, in few words', async () => {
    const [long] = await problemsIn(`${minimalDetector()}calibration: { groupBy: ${'x'.repeat(3000)} }\n`);
    expect(long).toMatch(/^calibration\.groupBy: must be a category .* \(got "x{119}…\)$/);
    const signals = Array.from({ length: 300 }, (_, i) => `channel${i}: { deadband: 1 }`).join();
    const [many] = await problemsIn(minimalDetector().replace('flow]', `flow], signals: { ${signals} }`));
    expect(many).toMatch(/^record\.signals: must name channels .* \(not "channel0", .{1300,1500}…$/);
  });

  test('groups where levels are followed', async () => {
    const conditions = 'conditions: { product: { kind: category } }';
    const text = minimalDetector().replace('flow]', `flow], ${conditions}`);
    const { calibration } = await loadDetector(`${text}calibration: { groupBy: product }\n`);
    expect(calibration.groupBy).toBe('product');
  });

  describe('of images', () => {
    const images = (lines = '', image = 'width: 28, height: 20'): string =>
      `detector: camera
source: { kind: file, file: { path: images.ndjson } }
fields: { image: image }
record: { kind: image, image: { ${image} } }
${lines}`;

    test('nothing, when it makes sense: each is a window of its own', async () => {
      const settings = await loadDetector(
        images('model: { kind: vae, network: conv2d, likelihood: bernoulli, latentDim: 300 }\n'),
      );
      expect(settings.window.length).toBe(1);
      expect(settings.record).toMatchObject({
        kind: 'image',
        channels: [],
        image: { width: 28, height: 20, colour: 'grey', format: 'auto', fit: 'fill' },
      });
    });

    test.each([
      ['', 'height: 20', 'record.image.width: is required for images, in pixels'],
      ['', 'width: 20', 'record.image.height: is required for images, in pixels'],
      ['', 'width: 280, height: 200, tile: 20', 'record.image.tile: must be 0, or 32 at least (got 20)'],
      [
        '',
        'width: 280, height: 200, tile: 224',
        'record.image.tile: must not be larger than the image of 280 × 200 (got 224)',
      ],
      [
        'model: { latentDim: 1024 }',
        'width: 280, height: 200, tile: 32',
        'model.latentDim: must be below the numbers of a tile (got 1024, with 32 × 32 pixels in grey = 1024)',
      ],
      ['window: { length: 5 }', undefined, /^window\.length: must be left out for images/],
      [
        'model: { network: conv1d }',
        undefined,
        /^model\.network: "conv1d" is for windows of sensor records only/,
      ],
      [
        'model: { features: gradients, likelihood: bernoulli }',
        undefined,
        'model.likelihood: "bernoulli" is for pixels, not for "gradients"',
      ],
      [
        'model: { latentDim: 560 }',
        undefined,
        'model.latentDim: must be below the numbers of an image (got 560, with 28 × 20 pixels in grey = 560)',
      ],
      [
        'model: { kind: hvae, levels: [4, 2000] }',
        'width: 28, height: 20, colour: rgb',
        /^model\.levels: must each be below .* \(got 2000, with 28 × 20 pixels in rgb = 1680\)$/,
      ],
    ])('%s %s is refused', async (lines, image, expected) => {
      const problems = await problemsIn(images(`${lines}\n`, image));
      expect(problems).toEqual([expected instanceof RegExp ? expect.stringMatching(expected) : expected]);
    });

    test.each([
      [
        'kind: image, image',
        'kind: image, channels: [a], image',
        /^record\.channels: has no effect for images/,
      ],
      ['fields: { image: image }\n', '', /^record\.conditions: `mode` cannot be read/],
      ['images.ndjson', 'images.csv', /^source\.file\.path: has no images/],
      [
        'images.ndjson',
        'images.idx3.gz',
        /^source\.file\.path: has raw grey images: set record\.image\.format/,
      ],
    ])('%s as %s is refused', async (part, other, expected) => {
      const conditions = part.startsWith('fields') ? ', conditions: { mode: { kind: category } }' : '';
      const text = images().replace('height: 20 }', `height: 20 }${conditions}`).replace(part, other);
      expect((await problemsIn(text))[0]).toMatch(expected);
    });

    test('where records are none', async () => {
      const problems = await problemsIn(
        minimalDetector()
          .replace('channels:', 'image: { width: 3 }, channels:')
          .replace('source:', 'fields: { image: x }\nmodel: { likelihood: bernoulli }\nsource:'),
      );
      expect(problems).toEqual([
        'fields.image: has no effect unless record.kind is "image"',
        'record.image.width: has no effect unless record.kind is "image"',
        'model.likelihood: "bernoulli" is for images only',
      ]);
    });
  });

  test.each([
    ['channels: []', 'is required: a list of names, at least one'],
    ['channels: [flow, flow]', 'must not name anything twice (got "flow" twice)'],
    ['channels: [flow, ""]', 'must be a list of names (item 2 is "")'],
    ['channels: [flow, 3]', 'must be a list of names (item 2 is 3)'],
  ])('%s is refused', async (channels, message) => {
    const text = minimalDetector().replace(/channels: .*\]/, channels);
    expect(await problemsIn(text)).toEqual([`record.channels: ${message}`]);
  });

  test.each([
    ['{mode: {kind: categroy}}', /mode\.kind must be `category`.* \(got "categroy"\)$/],
    ['{mode: category}', /mode must be a map such as .* \(got "category"\)$/],
    [
      '{h: {kind: hour-of-day, timezone: UTC}}',
      /h\.timezone is no key of a hour-of-day; did you mean "timeZone"/,
    ],
    ['{h: {kind: hour-of-day, timeZone: Mars}}', /h\.timeZone must be an IANA time zone/],
    ['{a: {kind: number, missing: drop}, b: {}}', /a\.missing must be .*; b\.kind must be/],
    ['{m: {kind: category, maxValues: 0}}', /m\.maxValues must be a whole number from 1 to 4096 \(got 0\)$/],
    ['[mode]', /must be a map .* \(got \["mode"\]\)$/],
  ])('conditions: %s is refused', async (conditions, message) => {
    const text = minimalDetector().replace('flow] }', `flow], conditions: ${conditions} }`);
    expect(await problemsIn(text)).toEqual([expect.stringMatching(message)]);
  });

  test('a kafka source needs brokers, a topic and a place for dead letters', async () => {
    const text = 'detector: pump\nsource: { kind: kafka }\nrecord: { channels: [a] }\n';
    expect(await problemsIn(text)).toEqual([
      'source.kafka.brokers: is required for a kafka source: at least one `host:port`',
      'source.kafka.topic: is required for a kafka source',
      expect.stringMatching(/^sinks\.kafka\.deadLetterTopic: is required for a kafka source/),
    ]);
  });

  test('a kafka sink needs topics and, without a kafka source, brokers', async () => {
    expect(await problemsIn(`${minimalDetector()}sinks: { kafka: { enabled: true } }\n`)).toEqual([
      'sinks.kafka.deadLetterTopic: is required where sinks.kafka is enabled',
      'sinks.kafka.detectionsTopic: is required where sinks.kafka is enabled',
      'sinks.kafka.brokers: is required where sinks.kafka is enabled and the source has no brokers',
    ]);
  });

  test('a detector may not read what it writes', async () => {
    const text = `detector: pump
source: { kind: kafka, kafka: { brokers: ["k:9092"], topic: in } }
record: { channels: [a] }
sinks: { kafka: { enabled: true, detectionsTopic: in, deadLetterTopic: dead } }
`;
    expect(await problemsIn(text)).toEqual([
      'sinks.kafka.detectionsTopic: must not be the topic that the source reads (got "in")',
    ]);
    const elsewhere = text.replace('enabled: true', 'enabled: true, brokers: ["other:9092"]');
    expect((await loadDetector(elsewhere)).sinks.kafka.detectionsTopic).toBe('in');
  });

  test('a file source needs a path, and for CSV a column for each condition', async () => {
    const text = minimalDetector();
    expect(await problemsIn(text.replace(', file: { path: pump.ndjson }', ''))).toEqual([
      'source.file.path: is required for a file source',
    ]);
    const csv = text
      .replace('pump.ndjson', 'pump.csv.gz')
      .replace('flow] }', 'flow], conditions: {mode: {kind: category}, hour: {kind: hour-of-day}} }');
    expect(await problemsIn(csv)).toEqual([
      'source.file.columns.conditions: must name the column of every condition (missing: "mode")',
    ]);
  });

  test('a rule is not tried on a value that is wrong by itself', async () => {
    expect(await problemsIn(`${minimalDetector()}events: { openRecords: many, openWindow: 1 }\n`)).toEqual([
      'events.openRecords: must be a whole number from 1 to 10000 (got "many")',
    ]);
  });

  test('YAML errors have line and column, and a key may stand only once', async () => {
    expect(await problemsIn('detector: a\nwindow:\n  length: 3\n  length: 4\n')).toEqual([
      'line 4, column 3: the key length is repeated',
    ]);
    expect(await problemsIn('detector: [a\n')).toEqual([
      expect.stringMatching(/^line 2, column 1: Flow sequence/),
    ]);
    expect(await problemsIn('detector: &a [*a]\n')).toEqual(['an alias refers to a value that contains it']);
    expect(await problemsIn('detector: a\n---\nwindow: {}\n')).toEqual([
      expect.stringMatching(/^line 2, .*a second document begins here/),
    ]);
    expect(await problemsIn('a: *b\n')).toEqual([expect.stringMatching(/Unresolved alias/)]);
  });

  test('a broken file does not hide the problems of another', async () => {
    const folder = await writeFolder({
      'detectors/a.yaml': 'a: [\n',
      'detectors/b.yaml': `${minimalDetector('b')}models: {}\n`,
    });
    const problems = await problemsOf(folder);
    expect(new Set(problems.map((one) => one.file))).toEqual(
      new Set(['detectors/a.yaml', 'detectors/b.yaml']),
    );
  });

  test('two detectors of one name are refused', async () => {
    const folder = await writeFolder({
      'detectors/a.yaml': minimalDetector('pump'),
      'detectors/b.yaml': minimalDetector('pump'),
    });
    expect(await problemsOf(folder)).toEqual([
      {
        file: 'detectors/b.yaml',
        key: 'detector',
        message: `"pump" is already the name of the detector in ${folder}/detectors/a.yaml`,
      },
    ]);
  });

  test('a bad variable or argument is named as where the value came from, once for all detectors', async () => {
    const folder = await writeFolder({
      'detectors/a.yaml': minimalDetector('a'),
      'detectors/b.yaml': minimalDetector('b'),
    });
    const options = {
      env: { VAEMON_WINDOW_LENGTH: 'x' },
      overrides: { 'training.seed': '-1', 'window.lenght': '3', model: '1' },
    };
    expect(await problemsOf(folder, options)).toEqual([
      {
        file: 'VAEMON_WINDOW_LENGTH',
        key: 'window.length',
        message: 'must be a whole number from 1 to 10000 (got "x")',
      },
      {
        file: '--set',
        key: 'training.seed',
        message: 'must be a whole number from 0 to 4294967295 (got "-1")',
      },
      { file: '--set', key: 'window.lenght', message: 'is not a known key; did you mean "window.length"?' },
      { file: '--set', key: 'model', message: 'is a section: set one of its keys' },
    ]);
  });

  test('a path that does not exist, an empty folder and a folder in the place of a file are refused', async () => {
    const folder = await writeFolder({});
    expect(await problemsOf(join(folder, 'nowhere'))).toMatchObject([{ message: 'does not exist' }]);
    expect(await problemsOf(folder)).toMatchObject([
      { file: folder, message: 'has no detector: expected detectors/*.yaml in it' },
    ]);
    await mkdir(join(folder, 'detectors', 'pump.yaml'), { recursive: true });
    expect(await problemsOf(folder)).toMatchObject([{ file: 'detectors/pump.yaml', message: 'is a folder' }]);
  });

  test('a file that may not be read is refused', async () => {
    // Root may read everything.
    if (process.getuid?.() === 0) return;
    const folder = await writeFolder({ 'detectors/pump.yaml': minimalDetector() });
    await chmod(join(folder, 'detectors', 'pump.yaml'), 0);
    expect(await problemsOf(folder)).toMatchObject([{ message: 'cannot be read: permission denied' }]);
  });

  test('daemon.yaml and daemon.yml together are refused', async () => {
    const folder = await writeFolder({
      'daemon.yaml': '',
      'daemon.yml': '',
      'detectors/a.yaml': minimalDetector(),
    });
    expect(await problemsOf(folder)).toMatchObject([
      { message: 'has both daemon.yaml and daemon.yml: keep one' },
    ]);
  });
});

describe('signals', () => {
  const withSignals = (signals: string) =>
    minimalDetector().replace('flow] }', `flow], signals: ${signals} }`);

  test.each([
    ['{flow: {direction: left}}', 'flow.direction must be `both`, `up` or `down` (got "left")'],
    ['{flow: {deadband: -1}}', 'flow.deadband must be a number of at least 0 (got -1)'],
    ['{flow: {limits: {min: 3, max: 2}}}', 'flow.limits.min must not be above its max (got 3, 2)'],
    ['{flow: {limits: {max: high}}}', 'flow.limits.max must be a number (got "high")'],
    ['{flow: {limits: 3}}', 'flow.limits must be a map such as {min: 0, max: 10} (got 3)'],
    ['{flow: {dedband: 1}}', 'flow.dedband is no key of a signal; did you mean "deadband"?'],
    ['{flow: 3}', 'flow must be a map such as {direction: up} (got 3)'],
    ['{flw: {}}', 'must name channels of record.channels (not "flw"; did you mean "flow"?)'],
  ])('%s is refused with what is wrong', async (signals, message) => {
    expect(await problemsIn(withSignals(signals))).toEqual([`record.signals: ${message}`]);
  });

  test('several problems come in one message', async () => {
    const [problem] = await problemsIn(withSignals('{flow: {direction: 1, deadband: x}}'));
    expect(problem).toMatch(/flow\.direction.*; flow\.deadband/);
  });
});

test.each([
  [
    'window: {gaps: fill}',
    'window.interval: is required where window.gaps is `fill`: without it no gap is recognised',
  ],
  [
    'window: {interval: 2h}',
    'window.interval: must not be above window.ttl: every record would start a new window (got 7200000 ms, 3600000 ms)',
  ],
])('%s is refused', async (text, problem) => {
  expect(await problemsIn(`${minimalDetector()}${text}\n`)).toEqual([problem]);
});

describe('variables', () => {
  const load = async (env: Record<string, string>) => {
    const folder = await writeFolder({ 'pump.yaml': minimalDetector() });
    return loadSettings(`${folder}/pump.yaml`, { env });
  };

  test('that begin with VAEMON_ and are none of vaemon are problems, with the nearest name', async () => {
    const wrong = load({ VAEMON_WINDOW_LENGHT: '20', VAEMON_NONSENSE: '1', VAEMON_EMPTY: '' });
    await expect(wrong).rejects.toMatchObject({
      problems: [
        {
          file: 'environment',
          key: 'VAEMON_WINDOW_LENGHT',
          message: 'is not a variable of vaemon; did you mean "VAEMON_WINDOW_LENGTH"?',
        },
        { key: 'VAEMON_NONSENSE', message: 'is not a variable of vaemon' },
      ],
    });
  });

  test('of Kubernetes for a service with this name, and of scripts, are ignored', async () => {
    const env = Object.fromEntries(
      [
        'VAEMON_SERVICE_HOST',
        'VAEMON_SERVICE_PORT_HTTP',
        'VAEMON_PORT',
        'VAEMON_PORT_9464_TCP_ADDR',
        'VAEMON_PLANT_SERVICE_HOST',
        'VAEMON_DIR',
        'VAEMON_TEST_BACKEND',
      ].map((name) => [name, 'x']),
    );
    await expect(load(env)).resolves.toBeDefined();
  });
});

describe('folders of images that stand for conditions', () => {
  const parts = (fields: string, folders: string, file = 'parts'): string =>
    `detector: parts
preset: image
fields: { ${fields} }
record: { kind: image, conditions: { product: { kind: category } }, image: { width: 32, height: 32 } }
source: { kind: file, file: { path: ${file}, columns: { folders: [${folders}] } } }
`;
  const asJson = "key: '', timestamp: '', image: image";

  test.each([
    ['a condition that is none', parts(asJson, 'produkt'), 'with the kind "category" (not "produkt")'],
    [
      'images without JSON around them',
      parts("key: '', timestamp: '', image: photo", 'product'),
      'needs fields.image "image"',
    ],
    ['an idx file', parts(asJson, 'product', 'parts.idx3'), 'is for folders of images'],
  ])('%s is a problem', async (_, text, message) => {
    expect((await problemsIn(text)).join('\n')).toContain(`source.file.columns.folders: `);
    expect((await problemsIn(text)).join('\n')).toContain(message);
  });

  test('fit a topic, too, whose records have the same conditions', async () => {
    const topic = (columns: string): string =>
      `detector: parts
preset: image
fields: { image: photo }
record: { kind: image, conditions: { product: { kind: category } }, image: { width: 32, height: 32 } }
source: { kind: kafka, kafka: { brokers: ['kafka:9092'], topic: parts } }
training: { historyFrom: { path: good${columns} } }
sinks: { kafka: { detectionsTopic: parts.detections, deadLetterTopic: parts.rejected } }
`;
    expect((await problemsIn(topic(''))).join('\n')).toContain(
      'has images without conditions, but the detector has `product`: name it in training.historyFrom.columns.folders',
    );
    const { training } = await loadDetector(topic(', columns: { folders: [product] }'));
    expect(training.historyFrom.columns.folders).toEqual(['product']);
  });
});
