import fc from 'fast-check';
import { eventRates, withinRows, type EventColumns } from '../../../../src/offline/evaluate/quality/events';
import { judge } from '../../../../src/offline/evaluate/quality/judgement';
import { createReport } from '../../../../src/offline/evaluate/quality/report';

const bits = (text: string): Uint8Array => Uint8Array.from(text, Number);

describe('events of the detector against labelled events', () => {
  const columns: EventColumns = {
    labels: bits('0011000110'),
    flags: bits('0001010000'),
    opened: [
      { key: '', first: 3, last: 3 },
      { key: '', first: 5, last: 6 },
    ],
  };

  test('one of two is found, one of two opened events is false', () => {
    expect(eventRates(columns)).toEqual({
      events: 2,
      foundEvents: 1,
      openedEvents: 2,
      falseEvents: 1,
      foundRatio: 0.5,
      heldBackEvents: 0,
      foundBeforeHoldingBack: 1,
      foundRatioBeforeHoldingBack: 0.5,
      eventPrecision: 0.5,
      falseEventsPerDay: NaN,
      falseEventsPer1000Records: 100,
      eventRecall: 0.5,
      delay: 1,
    });
  });

  test('an event that was held back finds nothing, but would have', () => {
    const heldBack = [
      { key: '', first: 7, last: 8 },
      { key: '', first: 9, last: 9 },
    ];
    expect(eventRates({ ...columns, heldBack })).toMatchObject({
      foundEvents: 1,
      openedEvents: 2,
      falseEvents: 1,
      foundRatio: 0.5,
      heldBackEvents: 2,
      foundBeforeHoldingBack: 2,
      foundRatioBeforeHoldingBack: 1,
    });
  });

  test('a rate per day needs times: 10 records at 5 records a day are two days', () => {
    expect(eventRates({ ...columns, recordsPerDay: 5 }).falseEventsPerDay).toBe(0.5);
  });

  test('an event of several devices finds the faults of each of them, and is one opened event', () => {
    const several = {
      labels: bits('00110011'),
      flags: bits('00000000'),
      keys: ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'],
      opened: [{ key: 'a', keys: ['a', 'b'], first: 2, last: 3 }],
      heldBack: [{ key: 'b', keys: ['b', 'a'], first: 6, last: 7 }],
    };
    expect(eventRates(several)).toMatchObject({
      events: 4,
      foundEvents: 2,
      openedEvents: 1,
      falseEvents: 0,
      heldBackEvents: 1,
      foundBeforeHoldingBack: 4,
    });
    const labels = new Map(Array.from(several.labels, (label, i) => [i, label as 0 | 1]));
    const { opened: events, heldBack, flags, keys } = several;
    const report = createReport(
      [{ name: 's', scores: new Float64Array(8), flags, keys, events, heldBack, labels }],
      [],
    );
    expect(report.judgement!.micro).toMatchObject({ foundEvents: 2, foundBeforeHoldingBack: 4 });
  });

  test('an event over two labelled events finds both', () => {
    const opened = [{ key: '', first: 3, last: 7 }];
    expect(eventRates({ ...columns, opened })).toMatchObject({
      foundEvents: 2,
      openedEvents: 1,
      falseEvents: 0,
    });
  });

  test('two events in one labelled event are both right', () => {
    const opened = [
      { key: '', first: 2, last: 2 },
      { key: '', first: 3, last: 4 },
    ];
    expect(eventRates({ ...columns, opened })).toMatchObject({ foundEvents: 1, eventPrecision: 1 });
  });

  test('without any opened event nothing is found, and precision is undefined', () => {
    expect(eventRates({ ...columns, opened: [] })).toMatchObject({
      foundEvents: 0,
      falseEvents: 0,
      eventPrecision: NaN,
    });
  });

  test('a detector without events has no counts of them', () => {
    expect(eventRates({ ...columns, opened: undefined })).toMatchObject({
      events: 2,
      foundEvents: NaN,
      openedEvents: NaN,
      falseEventsPer1000Records: NaN,
      eventRecall: 0.5,
    });
  });

  test('records of two devices take turns: labelled events and delays are counted per device', () => {
    // Device a: 0110, flag on its third record; device b: 0010.
    const rates = eventRates({
      labels: bits('00101100'),
      flags: bits('00001000'),
      keys: ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'],
      opened: [
        { key: 'a', first: 4, last: 4 },
        { key: 'b', first: 1, last: 3 },
      ],
    });
    expect(rates).toMatchObject({ events: 2, foundEvents: 1, falseEvents: 1, eventRecall: 0.5, delay: 1 });
  });

  test('over several series events and days are added', () => {
    const one = { name: 'a', scores: new Float64Array(10), ...columns, recordsPerDay: 5 };
    const other = { ...one, name: 'b', opened: [{ key: '', first: 0, last: 1 }], recordsPerDay: 10 };
    const { micro, macro } = judge([one, other]);
    expect(micro).toMatchObject({
      events: 4,
      foundEvents: 1,
      openedEvents: 3,
      falseEvents: 2,
      foundRatio: 0.25,
      falseEventsPerDay: expect.closeTo(2 / 3, 12) as number,
      falseEventsPer1000Records: 100,
      budgetPerDay: NaN,
    });
    expect(judge([{ ...one, budgetPerDay: 2 }]).micro.budgetPerDay).toBe(2);
    expect(macro).toMatchObject({ foundRatio: 0.25, eventPrecision: 0.25, falseEventsPerDay: 0.75 });
  });
});

test('events refer to labelled records alone; those without any are not counted', () => {
  const { judgement } = createReport(
    [
      {
        name: 'a',
        scores: new Float64Array(10),
        flags: new Uint8Array(10),
        labels: new Map([
          [4, 0],
          [5, 0],
          [6, 1],
          [7, 1],
        ]),
        events: [
          { key: 'any', first: 0, last: 3 },
          { key: 'any', first: 2, last: 5 },
          { key: 'any', first: 7, last: 9 },
        ],
      },
    ],
    [0.01],
  );
  expect(judgement!.series['a']).toMatchObject({
    events: 1,
    foundEvents: 1,
    openedEvents: 2,
    falseEvents: 1,
  });
});

test('a segment by index into some rows', () => {
  expect(withinRows({ first: 3, last: 8 }, [1, 3, 5, 9])).toEqual([{ first: 1, last: 2 }]);
  expect(withinRows({ first: 6, last: 8 }, [1, 3, 5, 9])).toEqual([]);
  expect(withinRows({ first: 10, last: 11 }, [1, 3, 5, 9])).toEqual([]);
});

const anyColumns = fc
  .record({
    rows: fc.array(fc.record({ label: fc.nat(1), flag: fc.nat(1), key: fc.constantFrom('a', 'b') }), {
      minLength: 1,
      maxLength: 30,
    }),
    spans: fc.array(fc.record({ key: fc.constantFrom('a', 'b'), first: fc.nat(29), length: fc.nat(5) }), {
      maxLength: 6,
    }),
  })
  .map(({ rows, spans }) => ({
    labels: Uint8Array.from(rows, ({ label }) => label),
    flags: Uint8Array.from(rows, ({ flag }) => flag),
    keys: rows.map(({ key }) => key),
    opened: spans.map(({ key, first, length }) => ({ key, first, last: first + length })),
  }));

test('counts equal those of the definition, record by record', () => {
  fc.assert(
    fc.property(anyColumns, (columns) => {
      const rates = eventRates(columns);
      const { labels, flags, keys, opened } = columns;
      const rowsOf = (key: string): number[] => [...keys.keys()].filter((i) => keys[i] === key);
      const labelled = ['a', 'b'].flatMap((key) => {
        const runs: number[][] = [];
        rowsOf(key).forEach((row, i, rows) => {
          if (labels[row] === 0) return;
          if (i > 0 && labels[rows[i - 1]!] === 1) runs.at(-1)!.push(row);
          else runs.push([row]);
        });
        return runs;
      });
      const events = opened
        .map(({ key, first, last }) => rowsOf(key).filter((row) => row >= first && row <= last))
        .filter((rows) => rows.length > 0);
      const found = labelled.filter((run) => run.some((row) => events.some((rows) => rows.includes(row))));
      const wrong = events.filter((rows) => rows.every((row) => labels[row] === 0));
      const flagged = labelled.filter((run) => run.some((row) => flags[row] === 1));
      expect(rates).toMatchObject({
        events: labelled.length,
        foundEvents: found.length,
        openedEvents: events.length,
        falseEvents: wrong.length,
        eventRecall: flagged.length / labelled.length,
      });
      const delays = flagged.map((run) => run.findIndex((row) => flags[row] === 1)).sort((a, b) => a - b);
      if (delays.length % 2 === 1) expect(rates.delay).toBe(delays[(delays.length - 1) / 2]);
    }),
  );
});
