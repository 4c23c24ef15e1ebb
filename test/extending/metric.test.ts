/** A metric is one entry in one file: its declaration and how it is recorded (docs/contributing.md). */
import { metricsDocument } from '../../scripts/metrics-document';
import { createMetricsOf, detectorMetrics } from '../../src/metrics/metrics';
import { counterBy, fixedLabel } from '../../src/metrics/recorder';

/** The toy: everything that the new metric needs. */
const coffeeMetrics = {
  coffeeDrunk: counterBy(
    'vaemon_coffees_total',
    'Coffees that the operator drank while the detector was training.',
    fixedLabel('size', ['small', 'large']),
  ),
};

const metrics = createMetricsOf(
  { ...detectorMetrics, ...coffeeMetrics },
  { version: '1.2.3', engine: 'cpu', process: false },
);
const pump = metrics.forDetector('pump', { topics: ['sensors'], sinks: ['log'] });

test('a metric is scraped with 0 from the start and counts what is recorded', async () => {
  expect(await metrics.text()).toContain('vaemon_coffees_total{detector="pump",size="large"} 0\n');
  pump.coffeeDrunk('large');
  pump.coffeeDrunk('large', 2);
  pump.consumed('sensors', 5);
  const text = await metrics.text();
  expect(text).toContain('vaemon_coffees_total{detector="pump",size="large"} 3\n');
  expect(text).toContain('vaemon_coffees_total{detector="pump",size="small"} 0\n');
  expect(text).toContain('vaemon_records_consumed_total{detector="pump",topic="sensors"} 5\n');
});

test('docs/metrics.md documents it with its labels and their values', () => {
  const document = metricsDocument(metrics.describe());
  expect(document).toMatch(
    /\| `vaemon_coffees_total` +\| counter +\| `detector`, `size` +\| Coffees that the operator drank/,
  );
  expect(document).toContain('- `size` of `vaemon_coffees_total`: `small`, `large`');
});
