/** Creates the partition states of one detector as configured. */
import type { DetectorSettings } from '../config/settings';
import type { Label } from '../domain/label';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { RecordDecoder } from '../pipeline/record-decoder';
import type { Sink } from '../sinks/sink';
import { configuredSource } from '../sources/configured';
import { createPartitionStates, type PartitionStates } from '../state/partitions';
import { stateRules, type StateErrorReason } from '../state/rules';
import { createStateStore } from '../state/store';

const stateErrors: Record<StateErrorReason, string> = {
  unreadable: 'stored partition state is unreadable; starting with empty windows and events',
  unsaved: 'partition state could not be saved; the next start reads more records again',
  records_missing: 'records are missing between the partition state and the next record',
  ahead: 'stored partition state is ahead of the committed offset; starting with empty windows and events',
  too_old: 'stored partition state is too many records old; starting with empty windows and events',
  other_settings:
    'stored partition state was written under other settings; starting with empty windows and events',
};

export function createDetectorStates(
  settings: DetectorSettings,
  storePath: string,
  recordDecoder: RecordDecoder,
  metrics: Pick<DetectorMetrics, 'stateError' | 'labelled'>,
  log: Logger,
  labels: () => readonly Label[],
): PartitionStates {
  const { detector, source } = settings;
  const { state } = configuredSource(source);
  return createPartitionStates({
    ...stateRules(settings, recordDecoder),
    ...(state && {
      saveEvery: state.saveEvery,
      maxReplay: state.maxReplay,
      store: createStateStore({ directory: storePath, detector }),
    }),
    labels,
    onLabel({ event, label }) {
      metrics.labelled(label);
      log.info('label took effect', { event, label });
    },
    onError(reason, fields) {
      metrics.stateError(reason);
      log.warn(stateErrors[reason], fields);
    },
  });
}

/** Closes and reports the open events of a finite source, which has no more records. */
export async function closeEvents(
  states: Pick<PartitionStates, 'closeEvents'>,
  sinks: readonly Sink[],
  metrics: Pick<DetectorMetrics, 'eventsOpen' | 'eventsHeldBack' | 'openEvents'>,
): Promise<void> {
  const events = states.closeEvents();
  if (events.length > 0)
    await Promise.all(sinks.map((sink) => sink.write({ detections: [], events, deadLetters: [] })));
  metrics.eventsOpen(0);
  metrics.openEvents.ended(events);
  metrics.eventsHeldBack(events.filter(({ status }) => status === 'held_back').length);
}
