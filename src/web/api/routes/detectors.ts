/** Routes of the detectors and their present state. */
import { powerByKind, type DetectionPower } from '../../../scoring/detection-power';
import type { DetectorEntry } from '../detector-view';
import { ApiError, detectorOf, listOf, objectOf, ref, type Route } from '../route';

export const detectorRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/detectors',
    summary: 'Every detector: readiness, rate, alarm budget, model, drift, detection power',
    answer: objectOf({ detectors: listOf(ref('Detector')) }),
    handle: (_, { detectors }) => ({ detectors: detectors().map(describe) }),
  },
  {
    method: 'GET',
    path: '/detectors/{detector}',
    summary: 'One detector',
    answer: ref('Detector'),
    handle({ params }, { detectors }) {
      const entry = detectors().find(({ name }) => name === params['detector']);
      if (entry === undefined)
        throw new ApiError(404, `there is no detector ${JSON.stringify(params['detector'])}`);
      return describe(entry);
    },
  },
  {
    method: 'GET',
    path: '/detectors/{detector}/what-if',
    summary:
      'The alarms that another false-alarm target would have given over the minutes that are kept (past.scores), a day at most',
    query: {
      target: {
        type: 'string',
        description: 'As `calibration.falseAlarmTarget`: `0.001` or `5 per day`; absent = the configured one',
      },
    },
    answer: ref('WhatIf'),
    async handle(call, context) {
      const { target } = call.params as { target?: string };
      const supposed = await detectorOf(call, context).view.whatIf(target);
      const { events } = supposed;
      return { ...supposed, events: events.slice(-mostSupposed), total: events.length };
    },
  },
];

/** Maximum number of events in an answer of `what-if`, the newest ones. */
const mostSupposed = 500;

function describe({ name, ready, reason, view }: DetectorEntry): Record<string, unknown> {
  if (view === undefined) return { name, ready, reason };
  const { model, ...state } = view.state();
  return {
    name,
    ready,
    reason,
    ...state,
    ...(model && { model: { ...model, power: describePowers(model.power) } }),
  };
}

function describePowers({ trained, live }: { trained?: DetectionPower; live?: DetectionPower }) {
  const withKinds = (power: DetectionPower) => ({ ...power, byKind: powerByKind(power) });
  return { ...(trained && { trained: withKinds(trained) }), ...(live && { live: withKinds(live) }) };
}
