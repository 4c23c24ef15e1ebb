import type { Label } from '../../src/domain/label';
import { createLastingLabels } from '../../src/runtime/lasting-labels';

test('a new normal of the time since the trial began lasts, unless it has another label since', () => {
  const label = (key: string, from: number, to: number, name: Label['label'] = 'new normal'): Label => ({
    key,
    from,
    to,
    label: name,
  });
  const labels = [
    label('before', 0, 99),
    label('since', 50, 100),
    label('fault', 100, 200, 'anomaly'),
    label('corrected', 100, 200),
    label('corrected', 150, 160, 'anomaly'),
    label('other time', 100, 200),
    label('other time', 300, 400, 'anomaly'),
  ];
  const state = { labels };
  const lasting = createLastingLabels(() => state.labels, 100);
  expect(lasting().map(({ key, to }) => [key, to])).toEqual([
    ['before', 99],
    ['since', Infinity],
    ['fault', 200],
    ['corrected', 200],
    ['corrected', 160],
    ['other time', Infinity],
    ['other time', 400],
  ]);
  // The same list as long as they are: it is looked through for each batch.
  expect(lasting()).toBe(lasting());
  state.labels = [...labels, label('', 0, 1000, 'normal')];
  expect(lasting().every(({ to }) => to < Infinity)).toBe(true);
});
