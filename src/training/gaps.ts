/** Gaps between the records of each device in the history, measured in the same way as silences of live records. */
import { createGapCounter, type GapStatistics } from '../calibration/gaps';
import { createRollCall, type RollCall } from '../domain/roll-call';

export type GapReader = ReturnType<typeof createGapReader>;

/** @param maxDevices the same as for the live records of a partition */
export function createGapReader(maxDevices: number) {
  const rollCalls = new Map<string, RollCall>();
  const gaps = createGapCounter();
  return {
    /**
     * Call for the records of a stream in the order of their arrival.
     * @param stream a partition, or a part of it that was read without gaps
     */
    add(stream: string, key: string, timestamp: number): void {
      let rollCall = rollCalls.get(stream);
      if (rollCall === undefined) rollCalls.set(stream, (rollCall = createRollCall(maxDevices)));
      const length = rollCall.hear(key, timestamp);
      if (length !== undefined) gaps.add(length);
    },
    statistics: (): GapStatistics | undefined => gaps.statistics(),
  };
}
