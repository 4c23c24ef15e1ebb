/** Routes of devices: their scores over the last hours, and their newest records. */
import { bandOf, emptyColumns } from '../../../past/recent-records';
import { ApiError, detectorOf, listOf, objectOf, ref, type Route } from '../route';

export const deviceRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/detectors/{detector}/devices',
    summary: 'Devices with scores, those that sent most recently first',
    query: {
      search: { type: 'string', description: 'Devices whose name contains this' },
      limit: { type: 'integer', minimum: 1, maximum: 10_000, description: 'Most devices; default 100' },
    },
    answer: objectOf({ devices: listOf(ref('Device')), total: { type: 'integer' } }),
    async handle(call, context) {
      const { search = '', limit = 100 } = call.params as { search?: string; limit?: number };
      const { past } = detectorOf(call, context).view;
      await past.readScores();
      const devices = past
        .devices()
        .filter(({ key }) => key.toLowerCase().includes(search.toLowerCase()))
        .sort((a, b) => b.newest - a.newest || (a.key < b.key ? -1 : 1));
      return { devices: devices.slice(0, limit), total: devices.length };
    },
  },
  {
    method: 'GET',
    path: '/detectors/{detector}/devices/{key}',
    summary: 'The scores of a device by minute, and its newest records',
    answer: ref('DeviceScores'),
    async handle(call, context) {
      const { past } = detectorOf(call, context).view;
      await past.readScores();
      const key = String(call.params['key']);
      const minutes = past.scores(key);
      if (minutes === undefined)
        throw new ApiError(
          404,
          `there are no scores of ${JSON.stringify(key)}`,
          'see past.devices and past.scores',
        );
      const { channels, records } = past.recent(key) ?? { channels: [], records: emptyColumns(0) };
      return { key, minutes, channels, records, band: bandOf(records, Infinity) };
    },
  },
];
