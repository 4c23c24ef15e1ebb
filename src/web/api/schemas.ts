/** Schemas of the API's answers, by their names in the OpenAPI document. */
import { gateNames } from '../../calibration/gates';
import { trialStates } from '../../store/trials';
import { labelNames } from '../../domain/label';
import { flagOf, listOf, numberOf, numberOrNull, objectOf, ref, textOf, timeOf, type Schema } from './route';

const regionSchema = objectOf(
  {
    x: numberOf('Left column, from 0'),
    y: numberOf('Upper row, from 0'),
    width: numberOf('Columns'),
    height: numberOf('Rows'),
  },
  [],
  'The region of an image, in its pixels; absent for channels',
);

const contribution = objectOf(
  {
    channel: textOf('Name of the channel, or of a region of an image'),
    region: regionSchema,
    contribution: numberOf('Nats that it adds to the reconstruction statistic, at its most unusual record'),
    surprise: numberOf('−log10 of the p-value of the channel by itself'),
    actual: numberOrNull('Its value, in its unit'),
    expected: numberOrNull('What the model expected, in its unit'),
    repeats: numberOf('Repetitions of the value in a row'),
    at: timeOf('Event time of that record'),
    records: numberOf('Anomalous records in which the channel alone reached the threshold'),
  },
  ['region'],
);

const limit = objectOf({
  channel: textOf('Name of the channel'),
  limit: { type: 'string', enum: ['min', 'max'] },
  bound: numberOf('The limit'),
  actual: numberOf('The value'),
});

const nearestNormal = objectOf(
  {
    reconstruction: numberOf('−log p(x|z) at the code of the nearest normal window, in nats'),
    leftOut: listOf(textOf('Channels that do not fit the others, the worst first')),
    latent: listOf(
      objectOf({
        level: numberOf('1 is the top level'),
        dimension: numberOf('From 1'),
        value: numberOf('Of the scored window'),
        expected: numberOf('Of the nearest normal'),
        nats: numberOf('How much less likely the value is than the likeliest one'),
      }),
    ),
  },
  [],
  'The likeliest window given the channels that fit together',
);

const label = objectOf({
  label: { type: 'string', enum: labelNames, description: 'What the event was' },
  note: textOf('What the person wrote'),
  at: timeOf('When it was given'),
});

export const recurring = objectOf(
  {
    cron: textOf('When each window begins: five fields of cron'),
    forMs: {
      type: 'integer',
      minimum: 60_000,
      maximum: 7 * 86_400_000,
      description: 'How long it lasts, ms',
    },
    timeZone: textOf('Time zone of the pattern, such as Europe/Berlin'),
  },
  [],
  'Windows for maintenance',
);

const eventProperties: Record<string, Schema> = {
  id: textOf('Detector, key and start'),
  detector: textOf('Name of the detector'),
  key: textOf('The device; of silent devices, the first one'),
  kind: { type: 'string', enum: ['anomaly', 'silent'], description: 'Anomalous records, or no records' },
  keys: listOf(textOf('The devices that were silent')),
  status: {
    type: 'string',
    enum: ['open', 'closed', 'held_back'],
    description: '`held_back`: the alarm budget kept it from opening',
  },
  closedBy: { type: 'string', enum: ['quiet', 'silence', 'end', 'accepted', 'resumed'] },
  start: timeOf('Event time of the first anomalous record'),
  end: timeOf('Event time of the newest anomalous record'),
  openedAt: timeOf('Event time of the record with which it opened'),
  anomalousRecords: numberOf('Number of anomalous records'),
  peakSurprise: numberOf('Largest surprise, −log10 of a p-value'),
  peakAt: timeOf('Event time of that record'),
  peakFile: textOf('Of images of a folder, the file of that image within the folder'),
  threshold: numberOf('Surprise from which records were anomalous'),
  contributions: listOf(contribution),
  limits: listOf(limit),
  nearestNormal,
  modelVersion: textOf('The version that scored'),
  reportedAt: timeOf('When it was reported first, by the clock of the machine'),
  updatedAt: timeOf('When it was reported or labelled last'),
  label,
  revision: numberOf('Number of labels given so far; send it with the next one'),
  muted: flagOf('It was not sent to sinks for people'),
  staleSince: timeOf('It is open, but its process has died, and no other one follows it'),
};
const optionalOfEvent = ['keys', 'closedBy', 'peakFile', 'nearestNormal', 'label', 'muted', 'staleSince'];

const columns = {
  timestamps: listOf(timeOf('Event time')),
  surprise: listOf(numberOrNull('−log10 of the p-value of the record')),
  threshold: listOf(numberOrNull('Surprise from which the record was anomalous')),
  actual: listOf(listOf(numberOrNull('By channel and record, in the unit of the channel; null = missing'))),
  expected: listOf(listOf(numberOrNull('By channel and record; null where nothing is expected'))),
};

const power = objectOf(
  {
    within: listOf(numberOf('Records within which a fault must be found')),
    stretches: numberOf('Stretches of records that faults were put into'),
    alarming: numberOf('Stretches with an alarm before the fault'),
    faults: listOf(
      objectOf({
        kind: textOf('Kind of the fault'),
        size: numberOf('Its size, in the unit'),
        unit: textOf('Unit of the size'),
        canaries: numberOf('How often it was put into records'),
        found: listOf(numberOf('How often it was found within each number of records')),
      }),
    ),
    byKind: {
      type: 'object',
      description: 'Share of the faults of each kind that is found within the longest time',
      additionalProperties: { type: 'number' },
    },
  },
  [],
  'What the detector finds of faults that were put into copies of normal records (canaries)',
);

export const schemas: Readonly<Record<string, Schema>> = {
  Error: objectOf({ error: textOf('The error'), hint: textOf('What to do about it') }, ['hint']),
  Detector: objectOf(
    {
      name: textOf('Name of the detector'),
      ready: flagOf('Whether it scores records'),
      reason: textOf('Why, or why not'),
      openEvents: numberOf('Open events'),
      recordsPerSecond: numberOf('Records received per second'),
      devices: numberOf('Devices with a window'),
      training: flagOf('Whether a training runs'),
      processes: listOf(ref('Process')),
      budget: ref('Budget'),
      model: ref('Model'),
    },
    ['openEvents', 'recordsPerSecond', 'devices', 'training', 'processes', 'budget', 'model'],
  ),
  Process: objectOf({
    name: textOf('Machine and number of the process; the one that answers is the first'),
    at: timeOf('When it wrote this, by its own clock'),
    stale: flagOf('It has died, and no other process has all of its partitions: its part is as it was then'),
    partitions: listOf({ type: 'integer' }),
    openEvents: numberOf('Open events'),
    recordsPerSecond: numberOf('Records received per second'),
    devices: numberOf('Devices with a window'),
    spentRatio: numberOf('Spent share of the alarm budget'),
    version: textOf('Model version in use; empty before there is one'),
  }),
  Budget: objectOf({
    eventsPerDay: numberOrNull('Events that may open in the long run; null without an alarm budget'),
    spentRatio: numberOf('0 = nothing is spent; from 1 on no event opens'),
    openedToday: numberOf('Events that opened in the last day of event time, of those that are kept'),
    heldBackToday: numberOf('Events that were held back in that time'),
  }),
  Model: objectOf({
    version: textOf('Version in use'),
    createdAt: timeOf('When it was published'),
    threshold: numberOf('Surprise from which a record is anomalous'),
    coldStart: flagOf('It scores until a model of the configured kind is trained'),
    drift: objectOf({
      active: flagOf('Records no longer match the calibration'),
      evidenceRatio: numberOf('How far the evidence of that has come, from 0 to 1'),
    }),
    power: objectOf({ trained: ref('Power'), live: ref('Power') }, ['trained', 'live']),
  }),
  Power: power,
  Event: objectOf(eventProperties, optionalOfEvent),
  WholeEvent: objectOf(
    {
      ...eventProperties,
      rarity: textOf('The peak surprise in words'),
      channels: listOf(textOf('Names of the channels of the records')),
      records: objectOf(columns),
      band: listOf(
        numberOrNull('By channel: three usual errors of normal records, in its unit; null = too few'),
      ),
      heatMap: textOf('Of images: the oddest one with where it is odd, a JPEG file in base64'),
    },
    [...optionalOfEvent, 'heatMap'],
  ),
  Device: objectOf({ key: textOf('The device'), newest: timeOf('Start of the minute of its newest record') }),
  DeviceScores: objectOf({
    key: textOf('The device'),
    minutes: listOf(
      objectOf({
        at: timeOf('Start of the minute, event time'),
        surprise: numberOf('Largest surprise of its records'),
        threshold: numberOf('Threshold of that record'),
        records: numberOf('Scored records'),
        anomalous: numberOf('Anomalous records'),
      }),
    ),
    channels: listOf(textOf('Names of the channels of the records')),
    records: objectOf(columns, [], 'The newest records'),
    band: listOf(
      numberOrNull('By channel: three usual errors of normal records, in its unit; null = too few'),
    ),
  }),
  Version: objectOf(
    {
      version: textOf('Its name'),
      createdAt: textOf('When it was published, ISO 8601'),
      current: flagOf('Whether processes use it, or will within store.pollInterval'),
      pinned: flagOf('Whether it stays so, whatever is trained'),
      trial: ref('Trial'),
    },
    ['trial'],
  ),
  Trial: objectOf(
    {
      version: textOf('The version'),
      before: textOf('The version in use when it began'),
      state: {
        type: 'string',
        enum: trialStates,
        description:
          '`shadow`: it scores in the shadow; `promoted`: it is in use and watched; `kept`: its trial is over; `refused`, ' +
          '`rolled_back`: a gate failed, before or after it came into use; `withdrawn`: ended without a result',
      },
      since: timeOf('Since when, by the clock of the detector'),
      changedAt: timeOf('Since when, by the clock of the machine'),
      by: { type: 'string', enum: ['gates', 'person'] },
      gates: listOf(
        objectOf(
          {
            gate: { type: 'string', enum: gateNames },
            passed: flagOf('Whether the version passes'),
            value: numberOrNull('The measured value; absent where there was nothing to measure'),
            limit: numberOrNull('Its bound'),
            text: textOf('The value and its bound in a sentence'),
          },
          ['value', 'limit'],
        ),
      ),
      reason: textOf('Why it ended, where that was for no gate'),
    },
    ['reason'],
  ),
  TrialProgress: objectOf({
    version: textOf('The version on trial'),
    records: numberOf('Records that this process has had scored by both versions'),
    needed: numberOf('Records that are needed in all processes'),
    share: numberOf('Share of its time that has passed'),
  }),
  Comparison: objectOf({
    versions: listOf(
      objectOf(
        {
          version: textOf('Its name'),
          createdAt: textOf('When it was published, ISO 8601'),
          trial: ref('Trial'),
        },
        ['trial'],
      ),
    ),
    differences: listOf(
      objectOf({
        what: textOf('A path in what describes a version: its model, its report, its detection power'),
        values: { type: 'array', description: 'Of each version; null = it has none' },
      }),
    ),
  }),
  Mute: objectOf(
    {
      detector: textOf('Name of the detector'),
      id: textOf('Its name'),
      key: textOf('Device; empty = all'),
      channel: textOf('Channel that ranks first in the event, or whose limit is violated; empty = all'),
      from: timeOf('When it begins'),
      until: { type: ['integer', 'null'], description: 'When it ends, Unix ms; null = never' },
      recurring,
      note: textOf('Why'),
      inForce: flagOf('Whether it is in force now'),
      next: timeOf('When it comes into force next; absent while it is in force, and once it is over'),
    },
    ['recurring', 'next'],
  ),
  WhatIf: objectOf({
    target: textOf('The target that is supposed'),
    configured: textOf('The configured one'),
    threshold: numberOf('Surprise above the baseline of its device from which a record would be anomalous'),
    from: timeOf('First minute of the span, event time'),
    to: timeOf('End of the span, event time'),
    events: listOf(
      objectOf(
        {
          key: textOf('The device'),
          status: {
            type: 'string',
            enum: ['open', 'closed', 'held_back'],
            description: '`held_back`: by the alarm budget',
          },
          start: timeOf('Minute in which it would have begun, event time'),
          end: timeOf('Minute of its last anomalous record'),
          peakSurprise: numberOf('Largest surprise above the baseline'),
          event: textOf('Id of the event that there was at that time'),
        },
        ['event'],
        'The newest 500, in the order of their starts',
      ),
    ),
    total: numberOf('Number of events'),
    missed: listOf(textOf('Id of an event that opened in that time, and would not have opened')),
  }),
  VersionReport: objectOf({
    version: textOf('Its name'),
    report: { type: 'object', description: 'What its training found' },
  }),
};
