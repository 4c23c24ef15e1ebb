/** What processes that share a model store exchange through it, at intervals: quarantine, lease, training requests. */
import type { DaemonSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { LeaseHolder } from './lease-holder';
import { Poll } from './poll';

export interface PeerExchangeOptions {
  role: DaemonSettings['role'];
  intervalMs: number;
  leaseHolder: Pick<LeaseHolder, 'isHeld' | 'acquire'>;
  /** The process that trains reads the quarantine of those that score. */
  saveQuarantine: () => Promise<void>;
  answerRequests: () => Promise<void>;
  /** Whether a process that only scores has requested a training. */
  isRequested: () => Promise<boolean>;
  /** Called for each failure. */
  onError: () => void;
  log: Pick<Logger, 'warn'>;
}

export function startPeerExchange(options: PeerExchangeOptions): Poll {
  const { role, intervalMs, leaseHolder, saveQuarantine, answerRequests, isRequested, log } = options;
  return new Poll(intervalMs, async () => {
    try {
      if (role !== 'train') await saveQuarantine();
      // A process that only trains takes over as soon as no other process trains; one that scores, too, when it is asked to.
      const isWanted = role === 'train' || (role === 'all' && (await isRequested()));
      if (isWanted && !leaseHolder.isHeld()) await leaseHolder.acquire().catch(() => undefined);
      if (leaseHolder.isHeld()) await answerRequests();
    } catch (err) {
      options.onError();
      log.warn('exchange with other processes through the store failed', { err });
    }
  });
}
