import type { AnomalyEvent } from '../../../src/domain/event';
import {
  dashboardLink,
  describe as describeEvent,
  pageLink,
  summarize,
  runbookLink,
} from '../../../src/sinks/notification/describe';
import { createEvent } from '../events';

const silent = { kind: 'silent', contributions: [] } as const;
const limit = { channel: 'flow', limit: 'max', bound: 10, actual: 12.5 } as const;

test.each<[Partial<AnomalyEvent>, string]>([
  [{}, 'pump-3: flow 1.23, expected 0.1'],
  [{ ...silent, keys: ['pump-3'] }, 'pump-3: silent'],
  [{ ...silent, keys: ['pump-3', 'pump-4'] }, 'pump-3: silent, 2 devices in all'],
  [{ limits: [limit] }, 'pump-3: flow 12.5, above its limit of 10'],
  [
    { limits: [{ ...limit, limit: 'min', actual: 1 }], contributions: [] },
    'pump-3: flow 1, below its limit of 10',
  ],
  [{ contributions: [] }, 'pump-3: anomalous'],
])('%j', (given, summary) => {
  expect(summarize(createEvent(given))).toBe(summary);
});

test('a description has the beginning, the rarity and the other channels', () => {
  expect(describeEvent(createEvent())).toBe(
    'Detector plant: 3 anomalous records since 1970-01-01T00:00:10.000Z; surprise 7.12, once in 13,000,000 normal records. ' +
      'Also pressure 1.00e-9 (expected 123,500).',
  );
  expect(describeEvent(createEvent({ limits: [limit], peakSurprise: 300 }))).toContain('; beyond a limit.');
  expect(describeEvent(createEvent({ ...silent, keys: ['a'] }))).toMatch(
    /^Detector plant: silent since .*normal records\.$/,
  );
});

test('a link has the device, whatever its key', () => {
  const links = { page: 'https://v:9464/', dashboard: 'https://g/d/x?orgId=1', runbook: '' };
  const link = new URL(dashboardLink(links, createEvent({ key: 'a&b=c/d e' })));
  expect(link.searchParams.get('var-key')).toBe('a&b=c/d e');
  expect(link.searchParams.get('orgId')).toBe('1');
  expect(pageLink(links, createEvent({ id: 'plant/a b/2026' }))).toBe(
    'https://v:9464/#/event/plant%2Fa%20b%2F2026',
  );
  expect(runbookLink(links)).toBe('https://v:9464/runbooks#vaemonanomaly');
  expect(runbookLink({ ...links, runbook: 'https://wiki/pumps' })).toBe('https://wiki/pumps');
  const none = { page: '', dashboard: '', runbook: '' };
  expect([dashboardLink(none, createEvent()), pageLink(none, createEvent()), runbookLink(none)]).toEqual([
    '',
    '',
    '',
  ]);
});
