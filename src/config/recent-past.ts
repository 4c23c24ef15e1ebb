/** Key `past`: the recent past that is kept for the web page. No detection depends on it. */
import { whole } from '../schema/formats';
import { duration } from '../schema/time-formats';
import type { Section } from '../schema/key';

export const pastSection = {
  events: whole({
    doc:
      'Number of newest events that are kept with the records around them, in `past/events` of the folder of the detector in ' +
      'the store. One has the 16 most important channels at most, and takes tens of kB, never more than 500 kB.',
    default: 1000,
  }),
  records: whole(
    {
      doc:
        'Records kept before an event and after its end, and of each device. During a long event at most 480 records are kept, ' +
        'of neighbours the more surprising ones.',
      default: 60,
    },
    { max: 200 },
  ),
  scores: duration(
    {
      doc: 'How far back the scores of a device are kept: the most surprising record of each minute.',
      default: '4h',
    },
    { min: 60_000 },
  ),
  devices: whole(
    {
      doc:
        'Largest number of devices whose scores and newest records are kept; of others only the events are. For each minute of ' +
        '`past.scores` a device takes 20 bytes of memory and of disk, and for each record 20 bytes of memory and 8 per channel.',
      default: 5000,
    },
    { min: 0 },
  ),
  saveInterval: duration(
    {
      doc: 'How often the past is saved. Records and events after the last save are lost if the process is killed.',
      default: '10s',
    },
    { timer: true, min: 100 },
  ),
} satisfies Section;
