/** Every kind of sink by its name under `sinks`. To add a sink, write its file or folder and one line here. */
import { alertmanagerSink } from './alertmanager/spec';
import { fileSink } from './file/spec';
import { grafanaSink } from './grafana/spec';
import { kafkaSink } from './kafka/spec';
import { logSink } from './log';
import { remoteWriteSink } from './remote-write/spec';
import type { AnySinkSpec } from './spec';
import { webhookSink } from './webhook/spec';

export const sinks = {
  log: logSink,
  kafka: kafkaSink,
  file: fileSink,
  alertmanager: alertmanagerSink,
  webhook: webhookSink,
  grafana: grafanaSink,
  remoteWrite: remoteWriteSink,
} as const satisfies Record<string, AnySinkSpec>;
