/** The configuration after loading: complete, checked and frozen. schema.ts says what each key means. */
import type { PresetName } from './presets';
import type { FalseAlarmTarget } from '../calibration/threshold';
import type { StatisticName } from '../domain/detection';
import type { TimeRules } from '../domain/continuity';
import type { EventPolicy } from '../domain/event';
import type { ImageFormat } from '../domain/image';
import type { RecordSchema } from '../domain/record';
import type { SignalSpec } from '../domain/signal';
import type { ModelChoice } from '../models/model';
import type { ModelKind } from '../models/zoo';

/** `daemon.yaml`: what all detectors of the process share. */
export interface DaemonSettings {
  /** What the process does of scoring and training; with `all` both. */
  role: 'all' | 'score' | 'train';
  http: { host: string; port: number };
  log: { level: 'error' | 'warn' | 'info' | 'debug'; format: 'auto' | 'json' | 'text' };
  store: {
    path: string;
    /** How often it is asked whether another model version is the current one. */
    pollIntervalMs: number;
    /** Who trains, and has not said for so long that it lives, is taken for dead by another process that wants to. */
    leaseTimeoutMs: number;
  };
  engine: EngineSettings;
  /** How long a stop may take before the process gives up waiting. */
  shutdownTimeoutMs: number;
}

/** What computes; `auto` takes the fastest that works here. */
export interface EngineSettings {
  scoring: 'auto' | 'onnxruntime' | 'tfjs';
  training: 'auto' | 'onnxruntime' | 'tfjs';
  /** Backend of tfjs. */
  tensors: 'auto' | 'tfjs-node' | 'wasm' | 'cpu';
}

/** How to connect to a cluster, and as whom. */
export interface KafkaConnectionSettings {
  brokers: readonly string[];
  tls: {
    enabled: boolean;
    /** Empty = the authorities that Node trusts. */
    ca: string;
    /** Empty = we have no certificate. */
    cert: string;
    key: string;
  };
  sasl: {
    mechanism: 'none' | 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer';
    username: string;
    password: string;
    /** Wins over the password. */
    passwordFile: string;
    /** Where the token of `oauthbearer` comes from: a file, or an OIDC provider. */
    oauth: {
      tokenFile: string;
      tokenUrl: string;
      clientId: string;
      clientSecret: string;
      /** Wins over the secret. */
      clientSecretFile: string;
      scope: string;
      ca: string;
    };
  };
}

export interface KafkaSettings extends KafkaConnectionSettings {
  clientId: string;
  topic: string;
  groupId: string;
  /** Where a group without committed offsets begins. */
  startFrom: 'earliest' | 'latest';
  /** Messages per partition to read again where nothing is stored of it, to warmUp the windows; no verdicts leave for them. */
  warmUpRecords: number;
  /** At most so many are read again between what is stored of a partition and what comes next. */
  maxReplayRecords: number;
  /** At least so many lie between two times that what is remembered of a partition is stored. */
  saveEveryRecords: number;
  /** Largest batch handed to the pipeline. */
  maxBatchRecords: number;
  sessionTimeoutMs: number;
  /** A consumer that has stood still for so long, without a batch under way, is built anew. */
  stallTimeoutMs: number;
  /** Where the schemas are that records name by an id. */
  registry: SchemaRegistrySettings;
}

export interface SchemaRegistrySettings {
  /** Empty = there is none. */
  url: string;
  /** Empty = it wants no password. */
  username: string;
  password: string;
  /** Wins over the password. */
  passwordFile: string;
  /** Empty = the authorities that Node trusts. */
  ca: string;
  timeoutMs: number;
}

export interface FileSettings {
  /** CSV with a header, NDJSON, or idx images; `.gz` is unpacked; or a folder of images. Relative to the working directory. */
  path: string;
  /** Records a second; 0 = as fast as they can be scored. */
  rate: number;
  /** Begin again at the end, event times moved on. */
  loop: boolean;
  /** Whose time the schedule of trainings keeps. */
  clock: 'wall' | 'records';
  /** The part of the file that is history (training) when the daemon starts: the first N records. */
  historyRecords: number;
  /** CSV columns; every other column is a channel. */
  columns: { key: string; timestamp: string; conditions: readonly string[] };
  /** CSV with known faults (`start,end,kind,channels`), for the summary alone; empty = none. Never used for training. */
  labels: string;
}

/** How sensor records are written: docs/formats.md. */
export type RecordFormat = 'json' | 'avro' | 'json-schema' | 'binary';

/** Where to find what in a record that has names: dotted paths. An empty key or timestamp is the message's own. */
export interface FieldMapping {
  key: string;
  timestamp: string;
  /** Empty = the record itself. */
  values: string;
  /** Base64; empty = the message itself is the image, and there is no JSON. */
  image: string;
  /** Empty = the record itself. */
  conditions: string;
}

export interface ModelSettings extends ModelChoice {
  kind: ModelKind;
  /** Share of training examples whose categories are replaced by the unknown token. */
  conditionDropout: number;
}

export interface TrainingSettings {
  /** Train when the daemon starts: only without a usable model, or always. */
  atStart: 'if-missing' | 'always';
  /** Cron expression (5 or 6 fields); empty = never on a schedule. */
  schedule: string;
  timeZone: string;
  /** A random delay up to this is added to each scheduled training. */
  jitterMs: number;
  /** Kill a training that takes longer. */
  timeoutMs: number;
  seed: number;
  /** These four: 0 = chosen by the number of windows (training/effort.ts). */
  epochs: number;
  batchSize: number;
  learningRate: number;
  /** Epochs without improvement of the validation loss before training ends. */
  patience: number;
  /** Records that are read for training, at most. */
  maxRecords: number;
  /** Stretches of the history that they are taken from, where it has more; 1 = the newest ones. */
  blocks: number;
  /** Fewer windows than this: no training. */
  minRecords: number;
  /** Kafka history is read this far back. */
  historyMs: number;
  /** Records this close to an event are left out. */
  quarantineMs: number;
  /** What people say of past records. */
  labels: {
    /** CSV; empty = none. */
    file: string;
    /** On the brokers of the source; empty = none. */
    topic: string;
  };
  /** At most this share of the history is left out for being near events. */
  maxExcludedShare: number;
  /** Train as soon as drift is called … */
  onDrift: boolean;
  /** … but not sooner than this after the last training that was started for it. */
  onDriftAfterMs: number;
  /** Model versions kept on disk … */
  keepVersions: number;
  /** … and those beside them that were the newest within this time. */
  keepForMs: number;
}

/** `detectors/*.yaml`: one detector. */
export interface DetectorSettings {
  /** Name: labels of metrics, folder of the model versions. */
  detector: string;
  preset: PresetName;
  source: { kind: 'file'; file: FileSettings } | { kind: 'kafka'; kafka: KafkaSettings };
  /** Whether verdicts and offsets go to Kafka in one transaction. */
  delivery: 'at-least-once' | 'exactly-once';
  fields: FieldMapping;
  record: RecordSchema & {
    kind: 'sensor' | 'image';
    /** Means nothing for images. */
    format: RecordFormat;
    /** Means nothing for sensors. */
    image: ImageFormat;
    /** What is known of channels beforehand; a channel without is free. */
    signals: readonly SignalSpec[];
    /** Larger messages are refused. */
    maxBytes: number;
    /** Records further in the future than this are refused. */
    maxAheadMs: number;
    /** A record with the event time of the newest one of its key: a dead letter, or only counted. */
    duplicates: 'reject' | 'ignore';
    /** … and one that is older than that. */
    outOfOrder: 'reject' | 'ignore';
  };
  window: TimeRules & {
    /** Records per window. */
    length: number;
    /** Keys of a partition held at once; the least recently seen goes first. */
    maxKeys: number;
  };
  model: ModelSettings;
  training: TrainingSettings;
  calibration: {
    /** A ratio of normal records (0.001) or a rate (`2 per day`). */
    falseAlarmTarget: FalseAlarmTarget;
    /** The newest share of the training records, never trained on. */
    share: number;
    /** The share of calibration scores that the Pareto tail is fitted to. */
    tailShare: number;
    /** Records of a device that its level is the median of; 0 = levels are not followed. */
    baselineRecords: number;
    /** What is combined to the score. */
    statistics: readonly StatisticName[];
    /** Condition in whose every value the false-alarm target is to hold; empty = over all records. */
    groupBy: string;
  };
  drift: {
    /** How often drift may be called where there is none: a ratio of records or a rate. */
    falseStartTarget: FalseAlarmTarget;
  };
  events: EventPolicy;
  sinks: {
    log: { enabled: boolean };
    /** Without brokers it is connected as the source is. */
    kafka: KafkaConnectionSettings & {
      enabled: boolean;
      detectionsTopic: string;
      deadLetterTopic: string;
      /** Which detections are written; dead letters always are. */
      emit: 'all' | 'anomalies';
      compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
    };
  };
}

/** Everything `vaemon run PATH` needs. */
export interface Settings {
  daemon: DaemonSettings;
  detectors: readonly { file: string; settings: DetectorSettings }[];
}

type SourceSettings = DetectorSettings['source'];
export type SourceKind = SourceSettings['kind'];

/**
 * The source of a detector that must have one of this kind.
 * @throws Error when it has another kind of source
 */
export function sourceOf<K extends SourceKind>(
  { detector, source }: Pick<DetectorSettings, 'detector' | 'source'>,
  kind: K,
): Extract<SourceSettings, { kind: K }> {
  if (source.kind !== kind)
    throw new Error(`detector "${detector}" needs a ${kind} source (its source is ${source.kind})`);
  return source as Extract<SourceSettings, { kind: K }>;
}
