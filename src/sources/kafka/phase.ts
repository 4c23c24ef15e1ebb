/** The phases of a session, with the phases that may follow each. */

const successors = {
  /** Connections are being opened. */
  connecting: ['joining', 'stopping'],
  /** The group distributes its partitions. */
  joining: ['planning', 'stopping'],
  /** The group distributes its partitions again. A batch of the previous assignment may still be in progress. */
  rebalancing: ['planning', 'stopping'],
  /** Partitions are assigned and paused; their start offsets are not known yet. */
  planning: ['rebalancing', 'planning', 'consuming', 'stopping'],
  /** Messages arrive. kafkajs may join again without a rebalance event, so planning can follow at once. */
  consuming: ['rebalancing', 'planning', 'stopping'],
  /** The batch in progress is finished and committed. */
  stopping: ['closed'],
  /** The session is over, even if kafkajs has not disconnected in time. */
  closed: [],
} as const satisfies Record<string, readonly string[]>;

export type Phase = keyof typeof successors;

export class PhaseMachine {
  private phase: Phase = 'connecting';

  constructor(private readonly onEnter: (phase: Phase) => void) {
    onEnter(this.phase);
  }

  current(): Phase {
    return this.phase;
  }

  /** Enters a phase if it may follow the current one; otherwise returns false, as after an event that comes too late. */
  enter(next: Phase): boolean {
    if (!(successors[this.phase] as readonly Phase[]).includes(next)) return false;
    this.phase = next;
    this.onEnter(next);
    return true;
  }
}
