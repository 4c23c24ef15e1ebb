/** The alarms that another false-alarm target would have raised over the recent past. */
import { setImmediate as breathe } from 'node:timers/promises';
import { calibrationSection, configuredThreshold, eventPolicy } from '../config/calibration';
import type { DetectorSettings } from '../config/settings';
import type { Past } from '../past/past';
import { minuteMs } from '../past/score-minutes';
import { createSupposition, type SupposedEvent } from '../past/supposed-events';
import { messageOf } from '../system/error-text';
import { SerialQueue } from '../system/serial-queue';
import type { WhatIf } from '../web/api/detector-view';
import { ApiError } from '../web/api/route';

export interface WhatIfParts {
  settings: Pick<DetectorSettings, 'calibration' | 'events' | 'window' | 'past'>;
  past: Pick<Past, 'readScores' | 'minutes' | 'kept' | 'events'>;
  /** Record rate and calibration of the version in use. */
  version: Parameters<typeof configuredThreshold>[1];
}

const { falseAlarmTarget } = calibrationSection;

/** Minutes of the longest span. */
const day = 1440;
/** After this many minutes, summed over devices, other work in the event loop runs: every few milliseconds. */
const stretch = 100_000;

/** Maximum number of questions of one detector in progress or waiting; each may take a CPU for a second. */
const mostQuestions = 4;

/** Answers the questions of a detector one after the other, as scoring needs the CPU, too. */
export function createWhatIf() {
  let questions = 0;
  const queue = new SerialQueue();
  /** @throws ApiError if there are too many; otherwise as `supposeTarget` */
  return async (target: string | undefined, parts: () => WhatIfParts): Promise<WhatIf> => {
    if (questions >= mostQuestions)
      throw new ApiError(429, 'too many such requests at once', 'try again in a moment');
    questions++;
    return queue.run(() => supposeTarget(target, parts())).finally(() => questions--);
  };
}

/**
 * @param target as in a configuration; undefined = the configured one
 * @throws ApiError if it is not a valid target, or if the version does not support it
 */
async function supposeTarget(
  target: string | undefined,
  { settings, past, version }: WhatIfParts,
): Promise<WhatIf> {
  await past.readScores();
  const configured = falseAlarmTarget.print(settings.calibration.falseAlarmTarget);
  const { openWindow } = settings.events;
  if (openWindow > settings.past.records)
    throw new ApiError(
      409,
      'too few records of each device are kept to simulate events',
      `set past.records to events.openWindow (${openWindow}) or more`,
    );
  const { threshold, rules } = rulesFor(target ?? String(configured), settings, version);
  const devices = past.minutes();
  if (devices.length === 0) throw new ApiError(409, 'there are no scores yet');
  const supposition = createSupposition(devices, rules);
  const last = devices.reduce((most, { minutes }) => Math.max(most, minutes.newest), 0);
  const first = last - Math.min(day, past.kept) + 1;
  let worked = 0;
  for (let minute = first; minute <= last; minute++) {
    supposition.minute(minute);
    worked += devices.length;
    if (worked < stretch) continue;
    worked = 0;
    await breathe();
  }
  const from = first * minuteMs;
  return {
    target: target ?? String(configured),
    configured: String(configured),
    threshold,
    from,
    to: (last + 1) * minuteMs,
    ...compare(supposition.events(), past.events(), from),
  };
}

function rulesFor(
  target: string,
  settings: WhatIfParts['settings'],
  version: WhatIfParts['version'],
): { threshold: number; rules: Parameters<typeof createSupposition>[1] } {
  try {
    const supposed = {
      ...settings,
      calibration: { ...settings.calibration, falseAlarmTarget: falseAlarmTarget.parse(target) },
    };
    const { surprise: threshold, eventBar } = configuredThreshold(supposed, version);
    return { threshold, rules: { ...eventPolicy(supposed), threshold, eventBar } };
  } catch (error) {
    throw new ApiError(400, `target ${messageOf(error)}`);
  }
}

/** Matches the supposed events with the events that opened. */
function compare(
  supposed: readonly SupposedEvent[],
  past: ReturnType<Past['events']>,
  from: number,
): Pick<WhatIf, 'events' | 'missed'> {
  const known = past.map(({ event }) => event).filter(({ kind, end }) => kind === 'anomaly' && end >= from);
  const byKey = new Map<string, typeof known>();
  for (const event of known)
    for (const key of event.keys ?? [event.key]) byKey.set(key, [...(byKey.get(key) ?? []), event]);
  const met = new Set<string>();
  const events = supposed.map((one) => {
    const same = (byKey.get(one.key) ?? []).filter(
      ({ start, end }) => start < one.end + minuteMs && end >= one.start,
    );
    if (one.status !== 'held_back') for (const { id } of same) met.add(id);
    const event = same.at(-1)?.id;
    return { ...one, ...(event !== undefined && { event }) };
  });
  const missed = known.filter(
    ({ id, status, openedAt }) => status !== 'held_back' && openedAt >= from && !met.has(id),
  );
  return { events, missed: missed.map(({ id }) => id) };
}
