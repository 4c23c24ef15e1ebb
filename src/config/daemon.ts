/** `daemon.yaml`: settings that all detectors of a process share. */
import { choice, path, whole } from '../schema/formats';
import { host } from '../schema/network-formats';
import { duration } from '../schema/time-formats';
import { nameVariables, type Parsed, type Section } from '../schema/key';

export const daemonSchema = nameVariables({
  role: choice(
    {
      doc:
        'What the process does. `score`: scores records, with the model versions that another process publishes. `train`: trains ' +
        'and publishes model versions, and scores nothing. `all`: both. Processes that work together share `store.path`.',
      default: 'all',
    },
    ['all', 'score', 'train'],
  ),
  http: {
    host: host({ doc: 'Address that the HTTP server listens on.', default: '127.0.0.1' }),
    port: whole({ doc: 'Port of the HTTP server. 0: any free port.', default: 9464 }, { min: 0, max: 65535 }),
    portFile: path(
      {
        doc: 'File to which the port is written once the server listens, for a check of health that does not know it. Empty: none.',
        default: '',
      },
      { empty: true },
    ),
  },
  api: {
    reading: choice(
      {
        doc:
          'Who may read the API and so the page (docs/api.md). `loopback`: programs on this machine, and others with a token. ' +
          '`token`: those with a token alone. `open`: everyone who reaches the port, as a proxy in front of it checks them.',
        default: 'loopback',
        reloads: true,
      },
      ['loopback', 'token', 'open'],
    ),
    readTokenFile: path(
      {
        doc: 'File with a token that allows reading: at least 16 characters. Empty: none.',
        default: '',
        reloads: true,
      },
      { empty: true },
    ),
    tokenFile: path(
      {
        doc:
          'File with a token that allows reading and changes: labels, mutes, trainings, and the version in use. Empty: nothing can ' +
          'be changed. Both files are read for each request, so a token can be replaced.',
        default: '',
      },
      { empty: true },
    ),
  },
  metrics: {
    openEvents: whole(
      {
        doc:
          'Open events of a detector that `/metrics` lists with their key, the most surprising first. The others are in ' +
          '`vaemon_events_open` alone.',
        default: 100,
        reloads: true,
      },
      { min: 0, max: 1000 },
    ),
  },
  log: {
    level: choice({ doc: 'Least severe level that is logged.', default: 'info', reloads: true }, [
      'error',
      'warn',
      'info',
      'debug',
    ]),
    format: choice(
      {
        doc: '`json`: one object per line. `text`: for people. `auto`: text on a terminal, JSON elsewhere.',
        default: 'auto',
      },
      ['auto', 'json', 'text'],
    ),
  },
  reload: {
    interval: duration(
      {
        doc:
          'How often the files of the configuration are compared with those in force. A change is used once it has been the same ' +
          'twice, since a file may be half written. SIGHUP reads them at once. 0: only SIGHUP does.',
        default: '5s',
      },
      { timer: true },
    ),
  },
  store: {
    path: path({
      doc: 'Folder of model versions and partition state, with one folder per detector.',
      default: './var/models',
    }),
    pollInterval: duration(
      {
        doc: 'How often the store is checked for another current model version, and so how soon that version is used.',
        default: '5s',
      },
      { timer: true, min: 100 },
    ),
    leaseTimeout: duration(
      {
        doc:
          'One process at a time trains a detector and holds a lease for that. If it does not renew the lease for this long, ' +
          'another process can take the lease, and the first one can publish nothing.',
        default: '30s',
      },
      { timer: true, min: 1000 },
    ),
  },
  engine: {
    scoring: choice(
      {
        doc:
          'Engine that scores. `auto`: ONNX Runtime where it is installed, else tfjs. `vaemon doctor` reports which engine is used ' +
          'and why.',
        default: 'auto',
      },
      ['auto', 'onnxruntime', 'tfjs'],
    ),
    training: choice({ doc: 'Engine that trains; values as for `engine.scoring`.', default: 'auto' }, [
      'auto',
      'onnxruntime',
      'tfjs',
    ]),
    tensors: choice(
      {
        doc: 'Backend of tfjs. `auto`: tfjs-node where it is installed, else WebAssembly, else plain JavaScript.',
        default: 'auto',
      },
      ['auto', 'tfjs-node', 'wasm', 'cpu'],
    ),
  },
  shutdownTimeout: duration(
    {
      doc: 'How long a stop may take. A batch that is not finished by then is redelivered after the next start.',
      default: '30s',
    },
    { timer: true, min: 1000 },
  ),
} satisfies Section);

export type DaemonSettings = Parsed<typeof daemonSchema>;
export type EngineSettings = DaemonSettings['engine'];
