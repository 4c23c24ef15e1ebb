import { aboveBar, beginGathering, extend, isSteady, type Gathering } from '../../src/domain/gathering';
import { detection } from './detections';

/** Of one record a millisecond. */
function gatheringOf(...surprises: number[]): Gathering {
  const gathering = beginGathering(detection(0, 4), []);
  surprises.forEach((surprise, i) => extend(gathering, detection(i, surprise)));
  return gathering;
}

test('an event is above the bar by its strongest record, or by how long it lasts', () => {
  const any = { minRecords: 1, minLengthMs: 0 };
  const strong = { margin: 2, lasting: Infinity };
  expect(aboveBar(gatheringOf(4, 5.5), strong, any)).toBeCloseTo(0.5);
  expect(aboveBar(gatheringOf(4), strong, any)).toBeCloseTo(-1);
  // A hundred records at the threshold are two decades rarer than one.
  const lasting = { margin: Infinity, lasting: 1 };
  expect(aboveBar(gatheringOf(...Array<number>(100).fill(3)), lasting, any)).toBeCloseTo(1);
});

test('an event with too few records, or too short, is below every bar', () => {
  const bar = { margin: 0, lasting: 0 };
  expect(aboveBar(gatheringOf(9, 9), bar, { minRecords: 3, minLengthMs: 0 })).toBe(-Infinity);
  expect(aboveBar(gatheringOf(9, 9), bar, { minRecords: 1, minLengthMs: 2 })).toBe(-Infinity);
});

test('is steady when the newest half of its records has a peak hardly above that before', () => {
  const steadyAfter = (surprises: readonly number[], isOpen = true): number => {
    const gathering = beginGathering(detection(0, 4), []);
    gathering.opened = isOpen;
    return surprises.findIndex((surprise, i) => {
      extend(gathering, detection(i, surprise));
      return isSteady(gathering, 6);
    });
  };
  expect(steadyAfter([4, 4, 4, 5, 4, 4, 4])).toBe(5);
  expect(steadyAfter([4, 4, 4, 5.1, 4, 4, 4, 4, 4])).toBe(8);
  expect(steadyAfter([4, 4, 4, 4, 4, 4], false)).toBe(-1);
  expect(isSteady({ ...gatheringOf(4, 4), opened: true, earlierPeak: 9 }, 0)).toBe(false);
});
