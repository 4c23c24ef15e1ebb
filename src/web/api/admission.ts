/** Admits requests: access, and limits that all clients share. */
import type { IncomingMessage } from 'node:http';
import { failure, pathOf, type Answer } from '../answer';
import { refuseChange, refuseReading, type AccessRules } from './access';
import { createRateLimit } from './rate-limit';

/**
 * Rate per second and burst, of all clients together, for: reads, changes, requests with a wrong token, and log lines about
 * refused requests.
 */
const limits = {
  reads: { perSecond: 100, burst: 400 },
  changes: { perSecond: 5, burst: 20 },
  wrongTokens: { perSecond: 1, burst: 10 },
  refusals: { perSecond: 0.1, burst: 10 },
};

export interface AdmissionOptions {
  access: AccessRules;
  log?: Record<'warn', (message: string, fields: Record<string, unknown>) => unknown> | undefined;
  /** Monotonic time, ms. */
  now: () => number;
}

/** @returns the answer to a refused request; undefined for an admitted one. `method`: GET also for HEAD */
export function createAdmission({ access, log, now }: AdmissionOptions) {
  const reads = createRateLimit(limits.reads, now);
  const changes = createRateLimit(limits.changes, now);
  const wrongTokens = createRateLimit(limits.wrongTokens, now);
  const refusals = createRateLimit(limits.refusals, now);
  return (request: IncomingMessage, method: string): Answer | undefined => {
    const isChange = method !== 'GET';
    const caller = { remoteAddress: request.socket.remoteAddress, method, headers: request.headers };
    const refusal = (isChange ? refuseChange : refuseReading)(caller, access);
    if (refusal !== undefined) {
      if (refusal.wrongToken === true && !wrongTokens.take()) return tooMany();
      if ((isChange || refusal.wrongToken === true) && refusals.take())
        log?.warn('request refused', {
          method,
          path: pathOf(request),
          from: caller.remoteAddress,
          reason: refusal.error,
        });
      const challenge = refusal.status === 401 ? { 'www-authenticate': 'Bearer' } : undefined;
      return failure(refusal.status, refusal.error, refusal.hint, challenge);
    }
    // The limits come after the access check, so that refused requests do not use the share of others.
    return (isChange ? changes : reads).take() ? undefined : tooMany();
  };
}

function tooMany(): Answer {
  return failure(429, 'too many requests', 'wait a moment', { 'retry-after': '1' });
}
