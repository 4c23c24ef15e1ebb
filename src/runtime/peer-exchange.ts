/** Data that processes exchange at intervals through their model store: quarantine, lease, training requests. */
import type { DaemonSettings } from '../config/settings';
import type { Logger } from '../logger';
import type { LeaseHolder } from './lease-holder';
import { Poll } from './poll';

export interface PeerExchangeOptions {
  role: DaemonSettings['role'];
  intervalMs: number;
  leaseHolder: Pick<LeaseHolder, 'isHeld' | 'acquire'>;
  /** Saves the quarantine, which the process that trains reads. */
  saveQuarantine: () => Promise<void>;
  answerRequests: () => Promise<void>;
  /** Whether a process that only scores has requested a training. */
  isRequested: () => Promise<boolean>;
  /** Called for each failed exchange. */
  onError: () => void;
  log: Pick<Logger, 'warn'>;
}

export function startPeerExchange(options: PeerExchangeOptions): Poll {
  const { role, intervalMs, leaseHolder, saveQuarantine, answerRequests, isRequested, log } = options;
  return new Poll(intervalMs, async () => {
    try {
      if (role !== 'train') await saveQuarantine();
      // A process that only trains takes the lease as soon as no other process trains. A process that also scores takes it if
      // a training is requested.
      const isWanted = role === 'train' || (role === 'all' && (await isRequested()));
      if (isWanted && !leaseHolder.isHeld()) await leaseHolder.acquire().catch(() => undefined);
      if (leaseHolder.isHeld()) await answerRequests();
    } catch (err) {
      options.onError();
      log.warn('exchange with other processes through the store failed', { err });
    }
  });
}
