import type { EventPolicy } from '../../src/domain/event';

/** An event opens with two anomalous records of three, and is over after two others. */
export const eventPolicy: EventPolicy = {
  openRecords: 2,
  openWindow: 3,
  minRecords: 1,
  minLengthMs: 0,
  closeAfter: 2,
  silenceMs: 1e9,
  suppressForMs: 0,
  acceptAfter: 0,
};
