/**
 * Proposes a detector for a sample of records: the fields of time, device, channels and conditions, and the length of windows.
 */
import { findCadence, type Cadence } from './cadence';
import { findDevice, type DeviceField } from './device';
import { findKinds, type Kinds } from './kinds';
import { assignRoles, findCounterColumns, type Role } from './roles';
import { countKinds, nameOf, pathText, type Column, type Sample } from './sample';
import { findTime, type TimeChoice } from './time';
import { percent } from '../../wording';
import { UnusableSampleError } from './unusable';

/** Decisions of a person, which take precedence. Paths are written as in a configuration. */
export interface Choices {
  /** Field of the device; empty = there is only one device. */
  key?: string;
  time?: string;
  /** Paths of channels and conditions to leave out, and of fields that are conditions. */
  without?: readonly string[];
  conditions?: readonly string[];
}

export interface Proposal {
  records: number;
  time: TimeChoice;
  device: DeviceField;
  /** Object that contains the channels; empty = the record itself. */
  valuesPath: readonly string[];
  channels: readonly Column[];
  numbersAreText: boolean;
  /** Texts that stand for a missing value of a channel. */
  missingTexts: readonly string[];
  /** Number of values if channels are a list without names. */
  listLength: number | undefined;
  conditionsPath: readonly string[];
  conditions: readonly Column[];
  /** Paths of the channels that are counters. */
  counters: readonly string[];
  constant: readonly string[];
  /** Number of records without a value, by the name of the channel; only channels that lack values. */
  incomplete: Readonly<Record<string, number>>;
  unused: readonly { field: string; reason: string }[];
  omittedFields: number;
  cadence: Cadence;
  /** Notes about values to check, by key of the configuration. */
  doubts: Readonly<Record<string, readonly string[]>>;
}

/** Share of the devices with records in several partitions above which a person should check the key. */
const maxScattered = 0.05;
/** Share of the records above which a file is not in order of time. */
const maxBackwards = 0.2;
/** If more than this share of the times conflict, a detector would use the smaller part of the records. */
const mostConflicts = 0.5;
/** If more than this share of the times conflict, no field identifies the devices. */
const maxConflicts = 0.2;

/**
 * @throws UnusableSampleError if there are no records, or no channel
 */
export function infer(sample: Sample, choices: Choices = {}): Proposal {
  if (sample.records === 0) throw new UnusableSampleError('there is no readable record');
  const doubts = new Map<string, string[]>();
  const doubt = (key: string, text: string): void => void doubts.set(key, [...(doubts.get(key) ?? []), text]);

  const time = findTime(sample, choices.time);
  if (choices.time !== undefined && time.field === undefined)
    throw new UnusableSampleError(
      `the field "${choices.time}" has no times${time.unreadable.map(({ reason }) => `: it ${reason}`).join('')}`,
    );
  const times = time.field?.times;
  if (time.field?.format === 's')
    doubt('fields.timestampFormat', 'the numbers ascend, but are no dates: they are taken for seconds');
  if (time.field?.otherFormat !== undefined)
    doubt(
      'fields.timestampFormat',
      `the times are taken for ${time.field.format}, which is most even; ${time.field.otherFormat} fits, too`,
    );
  if (time.field !== undefined && time.field.timeZone !== '')
    doubt('fields.timeZone', `the times state no zone: ${time.field.timeZone} is assumed`);
  const device = findDevice(sample, times, time.field?.column, choices.key);
  if (device.column === undefined && sample.messageKey !== undefined)
    throw new UnusableSampleError(noDevice(sample.messageKey));
  if (time.field !== undefined && time.field.column === sample.messageTime)
    doubt('fields.timestamp', 'no field has a time that can be read: the time of the message is used');
  if (!device.isSure) doubt('fields.key', deviceDoubt(device));
  if (device.conflicts > maxConflicts)
    doubt(
      'fields.key',
      `${percent(device.conflicts)} of the records are not newer than the one before of their device: another field may be needed to identify devices`,
    );

  const devices = { keys: device.keys, times };
  const taken = [time.field?.column, device.column].filter((column) => column !== undefined);
  const timeLike = time.unreadable.map(({ column }) => column);
  const roles = assignRoles(sample.columns, devices, [...taken, ...timeLike]).map((role) =>
    decide(role, choices),
  );
  const ofKind = (kind: Role['kind']): Role[] => roles.filter((role) => role.kind === kind);

  const values = fullest(ofKind('channel'));
  const given = fullest(ofKind('condition'));
  if (values.kept.length === 0) throw new UnusableSampleError(noChannel(roles));
  if (choices.key === undefined && device.conflicts > mostConflicts)
    throw new UnusableSampleError(noSeparation(device, times));
  for (const { column, doubt: text } of values.kept)
    if (text !== undefined) doubt('record.channels', `${nameOf(column)}: ${text}`);
  for (const { column, doubt: text } of given.kept)
    if (text !== undefined) doubt('record.conditions', `${nameOf(column)}: ${text}`);
  const channels = values.kept.map(({ column }) => column);
  const ofText = values.kept.filter(({ isText }) => isText === true).map(({ column }) => nameOf(column));
  if (ofText.length > 0)
    doubt(
      'record.texts',
      `the numbers of ${ofText.slice(0, 5).join(', ')}${ofText.length > 5 ? ', …' : ''} are text`,
    );
  const kinds = findKinds(sample, channels);
  if (kinds !== undefined) doubt('record.channels', kindsDoubt(kinds));
  const cadence = findCadence(devices, sample.blocks);
  if (times !== undefined && !cadence.isRegular && !Number.isNaN(cadence.intervalMs))
    doubt('window', 'records are not evenly spaced: a window is of as many records, whatever its time');

  const scattered = sample.partitions === undefined ? 0 : shareInSeveral(device.keys, sample.partitions);
  if (scattered > maxScattered)
    doubt(
      'source.kafka.topic',
      `${percent(scattered)} of the devices have records in several partitions, where each has a window of its own: the key of the messages should be the device`,
    );
  if (sample.partitions === undefined && cadence.backwards > maxBackwards)
    doubt(
      'source.file.historyRecords',
      'the file is not in order of time, so these are not its oldest records: sort it by time',
    );

  return {
    records: sample.records,
    time,
    device,
    valuesPath: values.path,
    channels,
    numbersAreText: ofText.length > 0,
    missingTexts: [...new Set(values.kept.flatMap(({ missingTexts = [] }) => missingTexts))],
    listLength: listLength(channels),
    conditionsPath: given.path,
    conditions: given.kept.map(({ column }) => column),
    counters: findCounterColumns(channels, devices),
    constant: channels.filter(isConstant).map(nameOf),
    incomplete: Object.fromEntries(
      channels
        .map((column) => [nameOf(column), absentIn(column)] as const)
        .filter(([, absent]) => absent > 0),
    ),
    unused: [
      ...time.unreadable.map(({ column, reason }) => ({
        field: pathText(column.path),
        reason: `as a time it ${reason}`,
      })),
      ...ofKind('unused').map(({ column, reason }) => ({ field: pathText(column.path), reason })),
      ...values.others.map(({ column }) => ({
        field: pathText(column.path),
        reason: `it is not in the object of the other channels, ${place(values.path)}`,
      })),
      ...given.others.map(({ column }) => ({
        field: pathText(column.path),
        reason: `it is not in the object of the other conditions, ${place(given.path)}`,
      })),
    ],
    omittedFields: sample.omittedFields,
    cadence,
    doubts: Object.fromEntries(doubts),
  };
}

function deviceDoubt({ column, candidates }: DeviceField): string {
  const others = candidates
    .filter((one) => one !== column)
    .slice(0, 3)
    .map(({ path }) => pathText(path));
  const what =
    column === undefined
      ? 'no field seems to name the device'
      : 'the field is chosen only for its name or its values';
  return others.length === 0 ? what : `${what}; it may also be ${others.join(' or ')}`;
}

/** Share of the devices with records in more than one partition. */
function shareInSeveral(keys: readonly string[], partitions: readonly number[]): number {
  const first = new Map<string, number>();
  const several = new Set<string>();
  keys.forEach((key, i) => {
    const partition = first.get(key);
    if (partition === undefined) first.set(key, partitions[i]!);
    else if (partition !== partitions[i]) several.add(key);
  });
  return several.size / Math.max(1, first.size);
}

function noSeparation(
  { column, conflicts, candidates }: DeviceField,
  times: Float64Array = new Float64Array(),
): string {
  if (times.every((time) => time === times[0])) return 'all records have the same time';
  if (times.every((time, i) => i === 0 || time <= times[i - 1]!))
    return 'the newest record is the first one, and the oldest the last: sort them by time';
  const fields = candidates.slice(0, 3).map(({ path }) => `"${pathText(path)}"`);
  return (
    `${percent(conflicts)} of the records are not newer than the one before of their device, ` +
    (column === undefined
      ? 'and no field separates devices'
      : `even with ${fields.join(' or ')} as the device`) +
    '; a detector needs one field that names the device: join several, or name one at the question'
  );
}

function noDevice(messageKey: Column): string {
  const { texts, absent } = countKinds(messageKey);
  const why = absent > texts ? 'most messages have no key' : 'nearly each message has a key of its own';
  return `no field names the device, and ${why}: a detector needs several records of each device`;
}

function kindsDoubt({ field, shares }: Kinds): string {
  const list = shares.slice(0, 5).map(([kind, share]) => `${kind} in ${percent(share)}`);
  return (
    `the records are of ${shares.length} kinds, by ${field} (${list.join(', ')}${shares.length > 5 ? ', …' : ''}), with different fields: ` +
    'give each kind a topic or file and a detector of its own'
  );
}

function decide(role: Role, { without = [], conditions }: Choices): Role {
  const field = pathText(role.column.path);
  if (conditions?.includes(field) === true) return { column: role.column, kind: 'condition', reason: '' };
  if (without.includes(field) || without.includes(nameOf(role.column)))
    return { column: role.column, kind: 'unused', reason: 'left out by choice' };
  return conditions !== undefined && role.kind === 'condition'
    ? { column: role.column, kind: 'unused', reason: 'not a condition by choice' }
    : role;
}

/** The fields of the object that contains the most: a detector reads the fields of one object. A list counts as an object. */
function fullest(roles: readonly Role[]): { path: readonly string[]; kept: Role[]; others: Role[] } {
  const groups = new Map<string, { path: readonly string[]; roles: Role[]; weight: number }>();
  for (const role of roles) {
    const { column } = role;
    const isList = listLength([column]) !== undefined;
    const path = isList ? column.path : column.path.slice(0, -1);
    const group = groups.get(path.join('\0')) ?? { path, roles: [], weight: 0 };
    group.roles.push(role);
    // Two objects may have the same fields, such as `before` and `after` of a change; the one that is present more often is
    // chosen.
    group.weight += (listLength([column]) ?? 1) * (1 - absentIn(column) / Math.max(1, column.values.length));
    groups.set(path.join('\0'), group);
  }
  const [best] = [...groups.values()].sort((a, b) => b.weight - a.weight);
  if (best === undefined) return { path: [], kept: [], others: [] };
  return { path: best.path, kept: best.roles, others: roles.filter((role) => !best.roles.includes(role)) };
}

function listLength(channels: readonly Column[]): number | undefined {
  const list = channels[0]?.values.find((value) => value !== undefined && value !== null);
  return Array.isArray(list) ? list.length : undefined;
}

function absentIn({ values }: Column): number {
  return values.reduce<number>(
    (absent, value) => absent + (value === undefined || value === null ? 1 : 0),
    0,
  );
}

function isConstant({ values }: Column): boolean {
  const first = values.find((value) => typeof value === 'number');
  return first !== undefined && values.every((value) => typeof value !== 'number' || value === first);
}

function noChannel(roles: readonly Role[]): string {
  const reasons = roles
    .filter(({ kind }) => kind === 'unused')
    .slice(0, 8)
    .map(({ column, reason }) => `"${pathText(column.path)}": ${reason}`);
  return `no field has numbers that can be a channel${reasons.length === 0 ? '' : ` (${reasons.join('; ')})`}`;
}

const place = (path: readonly string[]): string =>
  path.length === 0 ? 'the record itself' : `"${pathText(path)}"`;
