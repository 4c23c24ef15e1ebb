/** When an event opens, closes and is accepted. */

export interface EventPolicy {
  /** An event opens when at least this many … */
  openRecords: number;
  /** … of the last this many records of a key are anomalous … */
  openWindow: number;
  /** … and it has at least this many anomalous records … */
  minRecords: number;
  /** … over at least this event time, ms. If it ends earlier, there is no event. */
  minLengthMs: number;
  /** It closes after this many successive normal records that have a value of each odd channel … */
  closeAfter: number;
  /** … or when the detector's event time has advanced by more than this since the last record of the key, ms. */
  silenceMs: number;
  /** After an event has closed, no other event of its key opens for this event time, ms. */
  suppressForMs: number;
  /**
   * An event with this many anomalous records is accepted as the new normal, unless it still becomes more surprising; 0 =
   * never. No other event of its key opens until the accepted one is over or becomes more surprising.
   */
  acceptAfter: number;
  /** Alarm budget of the detector, events per ms; if absent, every event opens. */
  eventsPerMs?: number | undefined;
  /** Devices of a partition that are watched for silence; if absent, none is. */
  watchedDevices?: number | undefined;
}

/** The bar that an event must reach to open, in decades. The default bar admits every event, by its strongest record. */
export interface EventBar {
  /** Least margin of its strongest record, where margin is surprise above the threshold. */
  margin: number;
  /**
   * Least margin of its duration (lasting-evidence.ts): the logarithm of the number of anomalous records per event of the alarm
   * budget.
   */
  lasting: number;
}

export const noBar: EventBar = { margin: 0, lasting: Infinity };
