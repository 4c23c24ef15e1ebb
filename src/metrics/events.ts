/** Metrics of events and of drift. */
import { labelNames } from '../domain/label';
import { combined, counter, counterBy, fixedLabel, flag, gauge } from './recorder';

export const eventMetrics = {
  eventsOpened: counter(
    'vaemon_events_total',
    'Events opened; an event merges anomalies of one key that follow each other closely.',
  ),
  eventsOpen: gauge('vaemon_events_open', 'Open events of all keys.', 0),
  eventsHeldBack: counter(
    'vaemon_events_held_back_total',
    'Events that ended without an alarm, because the alarm budget was spent.',
  ),
  budgetSpent: gauge(
    'vaemon_alarm_budget_spent_ratio',
    'Spent share of the alarm budget in the partition with the largest one; from 1 on no event opens. 0 without a budget.',
    0,
  ),
  labelled: counterBy(
    'vaemon_labels_applied_total',
    'Labels of people that took effect on an event: refunded it, accepted it as a new normal, or undid that.',
    fixedLabel('kind', labelNames),
  ),
  suppressed: counter(
    'vaemon_anomalies_suppressed_total',
    'Anomalous records that opened no event because an event of their key closed recently.',
  ),
  driftStarted: counter(
    'vaemon_drifts_total',
    'Drifts detected: records no longer match the calibration of the model version in use.',
  ),
  drift: combined(
    {
      active: flag('vaemon_drift_active', 'Whether drift is detected; 0 again with the next model version.'),
      evidence: gauge(
        'vaemon_drift_evidence_ratio',
        'Logarithm of the evidence for drift, divided by the logarithm that is required; 1 = drift detected.',
      ),
    },
    ({ active, evidence }) =>
      (evidenceRatio: number, isActive: boolean) => {
        evidence(evidenceRatio);
        active(isActive);
      },
  ),
};
