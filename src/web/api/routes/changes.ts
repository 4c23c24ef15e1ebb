/** Changes by people: labels, mutes, trainings, the version in use. */
import { muteStatus, type Mute, type MuteStatus } from '../../../domain/mute';
import { labelNames, type LabelName } from '../../../domain/label';
import { mostMutes } from '../../../past/mutes';
import { isRefused } from '../../../store/trials';
import { messageOf } from '../../../system/error-text';
import { ApiError, detectorOf, listOf, objectOf, ref, textOf, type ApiContext, type Route } from '../route';
import { recurring } from '../schemas';
import { describeEvent, findEvent } from './events';

const note = { type: 'string', maxLength: 500, default: '', description: 'Why' };
const revision = { type: 'integer', minimum: 0, description: 'That of the event as the person has seen it' };
const name = { type: 'string', maxLength: 1000 };

export const changeRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/events/{id}/label',
    summary: 'Label an event; trainings, the alarm budget and new normals follow it',
    body: objectOf({ label: { type: 'string', enum: labelNames }, note, revision }, ['note']),
    answer: ref('Event'),
    async handle({ params, body }, context) {
      const wanted = body as { label: LabelName; note?: string; revision: number };
      const { view, past } = findEvent(String(params['id']), context);
      const { revision: known, label } = past;
      if (known !== wanted.revision)
        throw label === undefined
          ? new ApiError(409, 'the event has no label', `send the revision ${known}`)
          : new ApiError(
              409,
              'someone else has labelled the event',
              `it is "${label.label}" now; send the revision ${known} to replace that`,
            );
      return describeEvent(await view.label(past, wanted.label, wanted.note ?? ''));
    },
  },
  {
    method: 'GET',
    path: '/mutes',
    summary: 'The mutes of all detectors',
    answer: objectOf({ mutes: listOf(ref('Mute')) }),
    handle: (_, context) => ({ mutes: allMutes(context) }),
  },
  {
    method: 'POST',
    path: '/detectors/{detector}/mutes',
    summary:
      'Mute the events of a device or channel that open from now on: they are kept and shown, but not sent to sinks for people',
    body: objectOf(
      {
        key: { ...name, description: 'Device; absent = all' },
        channel: { ...name, description: 'Channel that ranks first; absent = all' },
        forMs: { type: 'integer', minimum: 1000, description: 'How long, ms; or `until`' },
        from: { type: 'integer', description: 'When it begins, Unix ms; absent = now' },
        until: { type: 'integer', description: 'When it ends, Unix ms' },
        recurring,
        note,
      },
      ['key', 'channel', 'forMs', 'from', 'until', 'recurring', 'note'],
    ),
    answer: ref('Mute'),
    async handle(call, context) {
      const { name: detector, view } = detectorOf(call, context);
      if (view.mutes.list().length >= mostMutes)
        throw new ApiError(409, `there are ${mostMutes} mutes already`, 'remove some of them');
      const mute = await view.mutes.add(readMute(call.body as unknown as MuteRequest, view.now()));
      return { detector, ...mute, ...muteStatus(mute, view.now()) };
    },
  },
  {
    method: 'DELETE',
    path: '/detectors/{detector}/mutes/{id}',
    summary: 'Remove a mute',
    answer: objectOf({ removed: textOf('Its name') }),
    async handle(call, context) {
      const id = String(call.params['id']);
      if (!(await detectorOf(call, context).view.mutes.remove(id)))
        throw new ApiError(404, 'there is no such mute; it may have been removed');
      return { removed: id };
    },
  },
  {
    method: 'POST',
    path: '/detectors/{detector}/training',
    summary: 'Train a new version now',
    status: 202,
    body: objectOf({}),
    answer: objectOf({ training: { type: 'string', enum: ['started', 'requested'] } }),
    handle: async (call, context) => ({ training: await detectorOf(call, context).view.train() }),
  },
  {
    method: 'PUT',
    path: '/detectors/{detector}/current',
    summary: 'Use a stored version: roll back, or pin one that stays whatever is trained',
    body: objectOf(
      {
        version: { ...name, description: 'The version to use' },
        expected: { ...name, description: 'The current version as the person has seen it' },
        pin: { type: 'boolean', default: false, description: 'It stays current until it is unpinned' },
      },
      ['pin'],
    ),
    answer: objectOf({ versions: listOf(ref('Version')) }),
    async handle(call, context) {
      const { view } = detectorOf(call, context);
      const {
        version,
        expected,
        pin = false,
      } = call.body as { version: string; expected: string; pin?: boolean };
      const versions = await view.versions();
      if (!versions.some((one) => one.version === version))
        throw new ApiError(404, `there is no version ${JSON.stringify(version)}`);
      await view.use(version, pin, expected);
      return { versions: await view.versions() };
    },
  },
  {
    method: 'POST',
    path: '/detectors/{detector}/promotion',
    summary:
      'Use a version that is on trial, or that failed a gate: without its gates, and it is not rolled back',
    body: objectOf({
      version: { ...name, description: 'The version to use' },
      expected: { ...name, description: 'The current version as the person has seen it' },
    }),
    answer: objectOf({ versions: listOf(ref('Version')) }),
    async handle(call, context) {
      const { view } = detectorOf(call, context);
      const { version, expected } = call.body as { version: string; expected: string };
      const wanted = (await view.versions()).find((one) => one.version === version);
      if (wanted === undefined) throw new ApiError(404, `there is no version ${JSON.stringify(version)}`);
      const { current, trial } = wanted;
      if (current || trial === undefined || (trial.state !== 'shadow' && !isRefused(trial)))
        throw new ApiError(409, `version ${version} is not on trial`, 'PUT …/current uses any version');
      await view.use(version, false, expected);
      return { versions: await view.versions() };
    },
  },
  {
    method: 'DELETE',
    path: '/detectors/{detector}/pin',
    summary: 'Unpin: the next version that is trained comes into use',
    answer: objectOf({ versions: listOf(ref('Version')) }),
    async handle(call, context) {
      const { view } = detectorOf(call, context);
      await view.unpin();
      return { versions: await view.versions() };
    },
  },
];

function allMutes({ detectors }: ApiContext): (Mute & MuteStatus & { detector: string })[] {
  return detectors().flatMap(({ name: detector, view }) =>
    (view?.mutes.list() ?? []).map((mute) => ({ detector, ...mute, ...muteStatus(mute, view!.now()) })),
  );
}

export interface MuteRequest extends Partial<Omit<Mute, 'id' | 'until'>> {
  forMs?: number;
  until?: number;
}

/** The mute of a request. @throws ApiError if it is not valid */
export function readMute(request: MuteRequest, now: number): Omit<Mute, 'id'> {
  const { key = '', channel = '', from = now, forMs, until, recurring: windows, note: why = '' } = request;
  if (forMs !== undefined && until !== undefined) throw new ApiError(400, 'body has both forMs and until');
  const end = until ?? (forMs === undefined ? null : from + forMs);
  if (end === null && windows === undefined)
    throw new ApiError(400, 'body has no end: forMs, until, or recurring is needed');
  if (end !== null && end <= Math.max(from, now))
    throw new ApiError(400, 'the mute is over before it begins');
  if (Math.max(Math.abs(from), end ?? 0) > lastDate)
    throw new ApiError(400, 'the time is too far away', 'from, until and forMs are in milliseconds');
  const mute = { key, channel, from, until: end, ...(windows && { recurring: windows }), note: why };
  if (windows !== undefined && windows.cron.trim().split(/\s+/).length !== 5)
    throw new ApiError(
      400,
      'recurring.cron is not valid',
      'it has five fields: minute, hour, day, month, weekday',
    );
  try {
    const { inForce, next } = muteStatus({ id: '', ...mute }, now);
    if (inForce || next !== undefined) return mute;
  } catch (error) {
    throw new ApiError(400, 'recurring.cron or recurring.timeZone is not valid', messageOf(error));
  }
  throw new ApiError(400, 'no window of the mute begins before it ends');
}

/** The last time that a Date can represent, Unix ms (ECMAScript). */
const lastDate = 8_640_000_000_000_000;
