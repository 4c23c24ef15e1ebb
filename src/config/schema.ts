/** What can be configured, and what it means: the source of loading, of `config print` and of docs/configuration.md. */
import { conditions } from './conditions';
import {
  amount,
  amounts,
  brokers,
  choice,
  choices,
  column,
  conditionName,
  cron,
  detectorName,
  duration,
  falseAlarmTarget,
  field,
  flag,
  host,
  identifier,
  names,
  path,
  positive,
  ratio,
  secret,
  shareOrNone,
  text,
  timeZone,
  topic,
  url,
  variants,
  whole,
  widths,
} from '../schema/formats';
import { defaultColumns } from '../sources/file/file';
import { statisticNames } from '../domain/detection';
import { presetNames } from './presets';
import { isKey, nameVariables, type Parsed, type Section } from '../schema/key';
import { signals } from './signals';
import { modelKinds } from '../models/zoo';
import type { DaemonSettings, DetectorSettings } from './settings';

/** `daemon.yaml`. */
export const daemonSchema = nameVariables(
  {
    role: choice(
      {
        doc:
          'What the process does. `score`: records, with the model versions that another process puts into the store; ' +
          '`train`: such versions, and nothing else; `all`: both. Processes that share a store share `store.path`.',
        default: 'all',
      },
      ['all', 'score', 'train'],
    ),
    http: {
      host: host({ doc: 'Address that the HTTP server listens on.', default: '127.0.0.1' }),
      port: whole({ doc: 'Its port; 0 takes any that is free.', default: 9464 }, { min: 0, max: 65535 }),
    },
    log: {
      level: choice({ doc: 'Least severe level that is logged.', default: 'info' }, [
        'error',
        'warn',
        'info',
        'debug',
      ]),
      format: choice(
        {
          doc: '`json`: one object a line; `text`: for people; `auto`: text on a terminal.',
          default: 'auto',
        },
        ['auto', 'json', 'text'],
      ),
    },
    store: {
      path: path({ doc: 'Folder of the model versions, one folder a detector.', default: './var/models' }),
      pollInterval: duration(
        {
          doc: 'How often it is asked whether another model version is the current one: so soon it is in use.',
          default: '5s',
        },
        { timer: true, min: 100 },
      ),
      leaseTimeout: duration(
        {
          doc:
            'One process at a time trains a detector. When it has not said for so long that it lives, another one may, and ' +
            'it can publish nothing any more.',
          default: '30s',
        },
        { timer: true, min: 1000 },
      ),
    },
    engine: {
      scoring: choice(
        {
          doc: 'What scores. `auto`: ONNX Runtime where it is installed, else tfjs. `vaemon doctor` says which, and why.',
          default: 'auto',
        },
        ['auto', 'onnxruntime', 'tfjs'],
      ),
      training: choice({ doc: 'What trains, likewise.', default: 'auto' }, ['auto', 'onnxruntime', 'tfjs']),
      tensors: choice(
        {
          doc: 'Backend of tfjs. `auto`: tfjs-node where it is installed, else WebAssembly, else plain JavaScript.',
          default: 'auto',
        },
        ['auto', 'tfjs-node', 'wasm', 'cpu'],
      ),
    },
    shutdownTimeout: duration(
      { doc: 'How long a stop may take before the process gives up waiting.', default: '30s' },
      { timer: true, min: 1000 },
    ),
  } satisfies Section,
  [],
);

const fileSource = {
  path: path(
    {
      doc:
        'CSV with a header, NDJSON, or images: `.idx3`, as MNIST has them, or a folder of PNG and JPEG files; `.gz` is ' +
        'unpacked. Required for a file source.',
      default: '',
    },
    { empty: true },
  ),
  rate: amount({ doc: 'Records a second; 0 = as fast as they can be scored.', default: 0 }),
  loop: flag({ doc: 'Begin again at the end of the file, event times moved on.', default: false }),
  clock: choice(
    {
      doc:
        'Whose time `training.schedule` keeps: `wall`, that of the machine; `records`, that of the records, without jitter, and ' +
        'a training comes into use 10 seconds of the replay later (it waits, if need be): every replay is the same.',
      default: 'wall',
    },
    ['wall', 'records'],
  ),
  historyRecords: whole(
    { doc: 'The first so many records are history: trained on when the daemon starts.', default: 3600 },
    { min: 0 },
  ),
  columns: {
    key: column({ doc: 'CSV column of the device.', default: defaultColumns.key }),
    timestamp: column({ doc: 'CSV column of the event time.', default: defaultColumns.timestamp }),
    conditions: names({
      doc: 'CSV columns of conditions; every other column is a channel.',
      default: defaultColumns.conditions,
    }),
  },
  labels: path(
    {
      doc: 'CSV of known faults (`start,end,kind,channels`) for the summary; never used for training.',
      default: '',
    },
    { empty: true },
  ),
} satisfies Section;

/** Of the brokers of source or sink. */
const security = {
  tls: {
    enabled: flag({ doc: 'Connect with TLS.', default: false }),
    ca: path(
      { doc: 'File of the authorities (PEM) that are trusted; empty = those of Node.', default: '' },
      { empty: true },
    ),
    cert: path(
      { doc: 'File of our certificate (PEM), where the brokers want one …', default: '' },
      { empty: true },
    ),
    key: path(
      { doc: '… and of its key (PEM). Files are read anew for each connection.', default: '' },
      { empty: true },
    ),
  },
  sasl: {
    mechanism: choice({ doc: 'As whom to connect, and how that is shown.', default: 'none' }, [
      'none',
      'plain',
      'scram-sha-256',
      'scram-sha-512',
      'oauthbearer',
    ]),
    username: text({ doc: 'For `plain` and `scram-…`.', default: '' }, 'a name, or empty'),
    password: secret({ doc: 'For them; or …' }),
    passwordFile: path(
      { doc: '… a file with it, which wins. It is read anew for each connection.', default: '' },
      { empty: true },
    ),
    oauth: {
      tokenFile: path(
        { doc: 'For `oauthbearer`: a file with the token, read anew for each connection; or …', default: '' },
        { empty: true },
      ),
      tokenUrl: url({ doc: '… the token endpoint of an OIDC provider, asked with …', default: '' }),
      clientId: text({ doc: '… these client credentials.', default: '' }, 'a name, or empty'),
      clientSecret: secret({ doc: 'Their secret; or …' }),
      clientSecretFile: path(
        { doc: '… a file with it, which wins. It is read anew for each token.', default: '' },
        { empty: true },
      ),
      scope: text({ doc: 'Scope that is asked for; empty = none.', default: '' }, 'text, or empty'),
      ca: path(
        {
          doc: 'File of the authorities (PEM) that the provider is trusted by; empty = those of Node.',
          default: '',
        },
        { empty: true },
      ),
    },
  },
} satisfies Section;

/** Keys know their variables (key.ts), so each section has its own. */
function copyOf<S extends Section>(section: S): S {
  return Object.fromEntries(
    Object.entries(section).map(([name, node]) => [name, isKey(node) ? { ...node } : copyOf(node)]),
  ) as S;
}

const kafkaSource = {
  brokers: brokers({ doc: 'Where to connect first. Required for a Kafka source.', default: [] }),
  ...copyOf(security),
  clientId: identifier({ doc: 'What the brokers log of this client.', default: 'vaemon' }),
  topic: topic({ doc: 'Topic of the records. Required for a Kafka source.', default: '' }),
  groupId: identifier(
    { doc: 'Consumer group; empty = `vaemon-` and the detector.', default: '' },
    { empty: true },
  ),
  startFrom: choice({ doc: 'Where a group without committed offsets begins.', default: 'latest' }, [
    'earliest',
    'latest',
  ]),
  warmUpRecords: whole(
    {
      doc:
        'Messages a partition that are read again to warmUp the windows where nothing is stored of it; no verdicts leave ' +
        'for them.',
      default: 1000,
    },
    { min: 0 },
  ),
  maxReplayRecords: whole(
    {
      doc:
        'Messages a partition, at most, that are read again between what is stored of it and what comes next; what is ' +
        'stored further back is not used.',
      default: 1_000_000,
    },
    { min: 0 },
  ),
  saveEveryRecords: whole({
    doc: 'Messages of a partition, at least, from one time that what is remembered of it is stored to the next.',
    default: 10_000,
  }),
  maxBatchRecords: whole(
    { doc: 'Largest batch that is scored and acknowledged at once.', default: 1000 },
    { max: 100_000 },
  ),
  sessionTimeout: duration(
    { doc: 'Silence after which the group gives our partitions to another member.', default: '30s' },
    { timer: true, min: 1000 },
  ),
  stallTimeout: duration(
    {
      doc:
        'A consumer is built anew that has fetched nothing for so long, or nothing of a partition that has something, while ' +
        'no batch is under way.',
      default: '2m',
    },
    { timer: true, min: 1000 },
  ),
  registry: {
    url: url({
      doc: 'Schema registry with the API of Confluent. Required for the formats `avro` and `json-schema`.',
      default: '',
    }),
    username: text({ doc: 'For basic authentication; empty = none.', default: '' }, 'a name, or empty'),
    password: secret({ doc: 'For it; or …' }),
    passwordFile: path(
      { doc: '… a file with it, which wins. It is read anew for each request.', default: '' },
      { empty: true },
    ),
    ca: path(
      { doc: 'File of the authorities (PEM) that are trusted; empty = those of Node.', default: '' },
      { empty: true },
    ),
    timeout: duration({ doc: 'Of one request.', default: '5s' }, { timer: true, min: 1 }),
  },
} satisfies Section;

/** `detectors/*.yaml`. */
export const detectorSchema = nameVariables(
  {
    detector: detectorName({
      doc: 'Name of the detector: label of its metrics, folder of its model versions.',
    }),
    preset: choice(
      {
        doc:
          'What is chosen for a kind of data: `sensor` records or `image`s; every key that is set beside it wins. How ' +
          'long to train follows from the data in any case.',
        default: 'none',
      },
      presetNames,
    ),
    source: variants({ doc: 'Where records come from.' }, { file: fileSource, kafka: kafkaSource }),
    delivery: choice(
      {
        doc:
          'What a reader of committed messages sees of each record. `at-least-once`: its verdict, and after a crash perhaps the ' +
          'same one again; `exactly-once`: its verdict, once. The latter needs a Kafka source and `sinks.kafka` on the same ' +
          'cluster; docs/kafka.md says what it costs.',
        default: 'at-least-once',
      },
      ['at-least-once', 'exactly-once'],
    ),
    fields: {
      key: field(
        { doc: 'Where a record has its device; empty = the key of the message.', default: 'key' },
        { empty: true },
      ),
      timestamp: field(
        {
          doc: '… its event time (ISO 8601, or Unix ms); empty = the time of the message.',
          default: 'timestamp',
        },
        { empty: true },
      ),
      values: field(
        {
          doc: '… its values, by channel or as a list; empty = beside the other fields, in the record itself.',
          default: 'values',
        },
        { empty: true },
      ),
      image: field(
        { doc: '… its image, in base64; empty = the whole message is the image, not JSON.', default: '' },
        { empty: true },
      ),
      conditions: field(
        { doc: '… its conditions by name; empty = likewise.', default: 'conditions' },
        { empty: true },
      ),
    },
    record: {
      kind: choice({ doc: 'What a record is: values by channel, or an image.', default: 'sensor' }, [
        'sensor',
        'image',
      ]),
      format: choice(
        {
          doc:
            'How sensor records are written (docs/formats.md). `avro` and `json-schema`: behind the id of their schema in ' +
            '`source.kafka.registry`, as Confluent has it; `binary`: a compact format of our own, which `fields` means nothing to.',
          default: 'json',
        },
        ['json', 'avro', 'json-schema', 'binary'],
      ),
      channels: names({
        doc: 'Channels that the model sees, in this order. Required for `sensor`.',
        default: [],
      }),
      image: {
        width: whole(
          { doc: 'Pixels that images are brought to, across. Required for `image`.', default: 0 },
          { min: 0, max: 4096 },
        ),
        height: whole({ doc: '… and down.', default: 0 }, { min: 0, max: 4096 }),
        colour: choice({ doc: 'What they are turned into.', default: 'grey' }, ['grey', 'rgb']),
        format: choice(
          {
            doc:
              'How they arrive. `auto`: PNG or JPEG, as the first bytes say; `raw`: a byte for each value, row by row, ' +
              'exactly width × height (× 3 for `rgb`).',
            default: 'auto',
          },
          ['auto', 'raw'],
        ),
        fit: choice(
          {
            doc: 'Images of another shape: `fill` stretches them, `cover` cuts what is too much, `contain` adds black borders.',
            default: 'fill',
          },
          ['fill', 'cover', 'contain'],
        ),
        maxPixels: whole({
          doc: 'Images that are larger by their own account are refused, not unpacked.',
          default: 25_000_000,
        }),
      },
      missingChannels: choice(
        { doc: 'A channel that is absent or null: refuse the record, or mask the value.', default: 'reject' },
        ['reject', 'mask'],
      ),
      extraChannels: choice(
        { doc: 'A channel that is not listed: refuse the record, or ignore it.', default: 'reject' },
        ['reject', 'ignore'],
      ),
      conditions: conditions({
        doc:
          'What a record is judged given. `missing` (category and number): refuse a record without it, or take it as ' +
          'unknown; default `reject`. `maxValues` (category): default 64. `timeZone` (hour and day): default `UTC`.',
        default: {},
      }),
      signals: signals({
        doc:
          'What is known of channels beforehand. `direction`: only deviations to this side count; default `both`. ' +
          '`deadband`: deviations from the expected value below this do not count, in the unit of the channel; default 0. ' +
          '`limits`: a value outside is anomalous, whatever the model says.',
        default: {},
      }),
      maxBytes: whole({ doc: 'Larger messages are refused.', default: 262_144 }),
      maxAhead: duration({
        doc: 'Records further in the future than this are refused.',
        default: '5m',
      }),
      duplicates: choice(
        {
          doc: 'A record with the event time of the newest one of its device: to the dead letters, or only counted.',
          default: 'reject',
        },
        ['reject', 'ignore'],
      ),
      outOfOrder: choice(
        { doc: 'A record that comes after a newer one of its device: likewise.', default: 'reject' },
        ['reject', 'ignore'],
      ),
    },
    window: {
      length: whole({ doc: 'Records a window: what the model sees at once.', default: 10 }, { max: 10_000 }),
      maxKeys: whole({
        doc: 'Devices of a partition held at once; the least recently seen goes first.',
        default: 10_000,
      }),
      ttl: duration(
        {
          doc: 'A device not seen for this long (event time) starts a new window, whatever `window.gaps` is.',
          default: '1h',
        },
        { min: 1 },
      ),
      interval: duration({
        doc: 'Time from one record of a device to the next; 0 = irregular, and no gap is recognised.',
        default: '0s',
      }),
      gaps: choice(
        {
          doc:
            'What more than one and a half intervals without a record do: `ignore`: nothing; `break`: the device starts a ' +
            'new window; `fill`: records whose values are missing stand in for those that did not come.',
          default: 'ignore',
        },
        ['ignore', 'break', 'fill'],
      ),
      padding: choice(
        {
          doc:
            'A new window: `none`: no verdict until it is full; `missing`: a verdict from the first record on, the values ' +
            'before it are missing.',
          default: 'none',
        },
        ['none', 'missing'],
      ),
    },
    model: {
      kind: choice(
        { doc: 'Which autoencoder; docs/models.md says when to take which.', default: 'cvae' },
        modelKinds,
      ),
      network: choice(
        {
          doc:
            'Dense layers over the whole window or image; `conv1d`: convolutions along time, each halving it; `conv2d`: ' +
            'over an image, each halving height and width.',
          default: 'mlp',
        },
        ['mlp', 'conv1d', 'conv2d'],
      ),
      hidden: widths({
        doc: 'Widths (filters) of the hidden layers of the encoder; the decoder has them mirrored.',
        default: [64, 32],
      }),
      likelihood: choice(
        {
          doc:
            'p(x|z). `student-t` has heavy tails: wild values among the normal ones. For images alone: `bernoulli`, ' +
            '`discretised-logistic`, and `auto`: `bernoulli` where pixels are mostly dark or bright, else `gaussian`.',
          default: 'gaussian',
        },
        ['gaussian', 'student-t', 'bernoulli', 'discretised-logistic', 'auto'],
      ),
      minVariance: positive({
        doc: 'Least variance of p(x|z) (squared scale of `student-t`), in units of the scaled data.',
        default: 1e-2,
      }),
      maxVariance: positive({ doc: 'Largest variance of p(x|z), likewise.', default: 10 }),
      degreesOfFreedom: positive({ doc: 'Of `student-t`: the fewer, the heavier the tails.', default: 4 }),
      conditionDropout: shareOrNone({
        doc: 'Share of training examples whose categories are replaced by the unknown token.',
        default: 0.05,
      }),
      latentDim: whole(
        {
          doc: 'Dimensions of the code; fewer than the numbers of a window or an image. Not for `hvae`.',
          default: 8,
        },
        { max: 4096 },
      ),
      beta: positive({ doc: '`beta-vae`: weight of the rate.', default: 4 }),
      betaSchedule: choice(
        {
          doc: '`beta-vae`: `warm-up` lets the weight rise once, `cyclical` again and again.',
          default: 'constant',
        },
        ['constant', 'warm-up', 'cyclical'],
      ),
      betaSteps: whole({ doc: '`beta-vae`: steps of the warm-up, or of one cycle.', default: 1000 }),
      capacity: amount({
        doc: '`beta-vae`: nats that the rate is held at; it grows from 0 to here. 0 = none.',
        default: 0,
      }),
      capacitySteps: whole({ doc: '`beta-vae`: steps until the capacity is reached.', default: 1000 }),
      freeBits: amount({
        doc: '`beta-vae`, `cvae`: nats of rate that a latent dimension has for free.',
        default: 0,
      }),
      prior: choice({ doc: '`aae`: distribution that the codes are shaped after.', default: 'normal' }, [
        'normal',
        'mixture',
        'uniform',
        'swiss-roll',
      ]),
      mixtureModes: whole({ doc: '`aae`: Gaussians of the prior `mixture`.', default: 8 }, { max: 1024 }),
      levels: widths({
        doc: '`hvae`: dimensions of each level of the code, the upper one first; at least two.',
        default: [4, 8],
      }),
      levelWeights: amounts({ doc: "`hvae`: weight of each level's rate; empty = 1 each.", default: [] }),
      levelFreeBits: amounts({
        doc: '`hvae`: nats that a dimension of each level has for free; empty = none.',
        default: [],
      }),
      llrLevels: whole({
        doc: '`hvae`: upper levels that the statistic `llr` compares the whole hierarchy with.',
        default: 1,
      }),
    },
    training: {
      atStart: choice(
        {
          doc: 'When the daemon starts: train only if there is no model that can be used, or always.',
          default: 'if-missing',
        },
        ['if-missing', 'always'],
      ),
      schedule: cron({
        doc: 'When a new model is trained; empty = never on a schedule.',
        default: '0 3 * * *',
      }),
      timeZone: timeZone({ doc: 'Time zone of the schedule.', default: 'UTC' }),
      jitter: duration(
        { doc: 'A random delay up to this is added to each scheduled training.', default: '5m' },
        { timer: true },
      ),
      timeout: duration(
        { doc: 'A training that takes longer is killed.', default: '30m' },
        { timer: true, min: 1000 },
      ),
      seed: whole({ doc: 'Seed of every random draw.', default: 1 }, { min: 0, max: 2 ** 32 - 1 }),
      epochs: whole(
        { doc: 'Passes over the training windows, at most; 0 = by how many there are.', default: 0 },
        { min: 0, max: 100_000 },
      ),
      batchSize: whole(
        { doc: 'Windows a training step; 0 = by how many there are.', default: 0 },
        { min: 0, max: 65_536 },
      ),
      learningRate: shareOrNone({ doc: 'Step size of Adam; 0 = by how many windows there are.', default: 0 }),
      patience: whole(
        {
          doc: 'Epochs without improvement of the validation loss before training ends; 0 = by how many may come.',
          default: 0,
        },
        { min: 0 },
      ),
      maxRecords: whole({
        doc: 'Records that are read for training, at most: the newest ones, or …',
        default: 200_000,
      }),
      blocks: whole(
        {
          doc:
            '… of a Kafka topic in so many stretches, spread over all of `training.history`. Each has to be long enough for windows of ' +
            'every device.',
          default: 1,
        },
        { max: 10_000 },
      ),
      minRecords: whole(
        { doc: 'With fewer windows than this nothing is trained.', default: 1000 },
        { min: 100 },
      ),
      history: duration({ doc: 'How far back the history of Kafka is read.', default: '14d' }, { min: 1000 }),
      quarantine: duration({
        doc: 'Records this close to an event are left out of training.',
        default: '1m',
      }),
      labels: {
        file: path(
          {
            doc:
              'CSV with what people know of past records: `start,end` and, where there are such columns, `key` (a device; empty = all) and ' +
              '`label`: `anomaly` is left out of training, `normal` is learned from although it has alarmed.',
            default: '',
          },
          { empty: true },
        ),
        topic: topic({
          doc: 'Topic with the same, on the brokers of the source: a JSON object a message, replaced by the next one with its key.',
          default: '',
        }),
      },
      maxExcludedShare: shareOrNone({
        doc: 'Of the history at most this share is left out for that; beyond it the longest events are learned from.',
        default: 0.5,
      }),
      onDrift: flag({
        doc: 'Train as soon as "normal" has moved, not only on the schedule …',
        default: false,
      }),
      onDriftAfter: duration({
        doc: '… but not sooner than this after the last training that was started for it.',
        default: '1h',
      }),
      keepVersions: whole({ doc: 'Model versions kept on disk, at least …', default: 5 }, { max: 1000 }),
      keepFor: duration({
        doc:
          '… and those beside them, a hundred in all, that were the newest one within this time: verdicts that are so old can ' +
          'be replayed.',
        default: '14d',
      }),
    },
    calibration: {
      falseAlarmTarget: falseAlarmTarget({
        doc: 'How many false alarms are acceptable: what is set instead of a threshold.',
        default: 0.001,
      }),
      share: ratio({ doc: 'Newest share of the training records, never trained on.', default: 0.3 }),
      tailShare: ratio({
        doc: 'Largest share of the calibration scores, which the Pareto tail is fitted to.',
        default: 0.1,
      }),
      baselineRecords: whole(
        {
          doc:
            'Newest records of a device that its level is the median of: what half of them have in common is normal from ' +
            'then on. 0 = what was normal in training stays the measure until the next one.',
          default: 0,
        },
        { min: 0 },
      ),
      statistics: choices(
        {
          doc:
            'What the score is made of. `reconstruction`: how badly the model explains the window; `newest`: the newest ' +
            'record of it; `bias`: errors that keep their sign over the window; `channel`: its most unusual channels; ' +
            '`latent`: how unlikely its code is; `llr` (hvae): how much the lower levels have to explain; `stuck`: ' +
            'values that repeat themselves.',
          default: ['reconstruction', 'bias', 'llr', 'stuck'],
        },
        statisticNames,
      ),
      groupBy: conditionName({
        doc:
          'Condition (a category) in whose every value the target is to hold: each with 200 windows of calibration is ' +
          'calibrated for itself, the others together. Empty = the target holds over all records.',
        default: '',
      }),
    },
    drift: {
      falseStartTarget: falseAlarmTarget({
        doc: 'How often, at most and on average, "normal" may be said to have moved when it has not.',
        default: '1 per year',
      }),
    },
    events: {
      openRecords: whole({ doc: 'An event opens when so many …', default: 3 }, { max: 10_000 }),
      openWindow: whole(
        { doc: '… of so many records of a device are anomalous …', default: 5 },
        { max: 10_000 },
      ),
      minRecords: whole({ doc: '… and it has so many anomalous records …', default: 1 }),
      minLength: duration({
        doc: '… over so much event time; what ends before is no event.',
        default: '0s',
      }),
      closeAfter: whole({
        doc: 'It closes after so many records in a row that are not anomalous …',
        default: 10,
      }),
      silence: duration(
        {
          doc: '… or when no record of its device has come while others of its partition went on for so long (event time).',
          default: '1h',
        },
        { min: 1 },
      ),
      suppressFor: duration({
        doc: 'For so long after an event (event time) no other opens for its device; 0 = not at all.',
        default: '0s',
      }),
    },
    sinks: {
      log: { enabled: flag({ doc: 'Log each event.', default: true }) },
      kafka: {
        enabled: flag({ doc: 'Write detections to Kafka.', default: false }),
        brokers: brokers({
          doc: 'Empty = those of the source, connected to as the source is; else with the keys below.',
          default: [],
        }),
        ...copyOf(security),
        detectionsTopic: topic({ doc: 'Topic of the detections. Required when enabled.', default: '' }),
        deadLetterTopic: topic({
          doc: 'Topic of the records that cannot be used. Required when enabled and for a Kafka source.',
          default: '',
        }),
        emit: choice(
          { doc: 'Which detections are written; dead letters always are.', default: 'anomalies' },
          ['all', 'anomalies'],
        ),
        compression: choice(
          {
            doc: 'What messages are packed with; what is read may be packed with any of them.',
            default: 'none',
          },
          ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
        ),
      },
    },
  } satisfies Section,
  // One name for all detectors would be none.
  ['detector', 'record.conditions', 'record.signals'],
);

type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Holds only while the schemas and the settings say the same; else this file does not compile. */
export const schemasYieldSettings: [
  Equal<Parsed<typeof daemonSchema>, DaemonSettings>,
  Equal<Parsed<typeof detectorSchema>, DetectorSettings>,
] = [true, true];
