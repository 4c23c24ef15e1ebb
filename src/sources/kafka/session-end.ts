/** The reason why a session ends. */
import { causesOf } from '../../errors';
import type { RestartReason } from '../source';

/** The consumer has ended; the source starts the next one. */
export class SessionEnd extends Error {
  override readonly name = 'SessionEnd';
  constructor(
    readonly reason: RestartReason,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The end of a session by an error for which kafkajs has stopped the consumer. */
export function toSessionEnd(error: Error): SessionEnd {
  const { name, retriable } = error as { name: string; retriable?: boolean };
  // kafkajs wraps the error after its last retry.
  if ([...causesOf(error)].some((cause) => cause.name === 'KafkaJSOffsetOutOfRange'))
    return new SessionEnd('out_of_range', 'the broker does not have the next offset', { cause: error });
  // kafkajs retries only briefly, so a later attempt may succeed.
  const isUnreachable = name === 'KafkaJSNumberOfRetriesExceeded' || retriable === true;
  return new SessionEnd(
    isUnreachable ? 'unreachable' : 'crashed',
    // The text of the cause is included, as /readyz shows this message as the reason.
    `${isUnreachable ? 'Kafka is unreachable' : 'the Kafka consumer has crashed'}: ${error.message}`,
    { cause: error },
  );
}

/** The end of one session: a stop of the source, or the first failure. */
export function createEnding(stopping: AbortSignal) {
  let fail: (error: SessionEnd) => void = () => undefined;
  let stop = (): void => undefined;
  /** Resolves when the source stops; rejects with the first failure. */
  const reached = new Promise<void>((resolve, reject) => {
    stop = () => resolve();
    fail = reject;
  });
  reached.catch(() => undefined);
  if (stopping.aborted) stop();
  else stopping.addEventListener('abort', stop, { once: true });
  /** Removes the listener from the source's signal, which exists longer than the session. */
  const release = () => stopping.removeEventListener('abort', stop);
  return { reached, fail, release };
}
