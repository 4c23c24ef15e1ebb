/** Secrets that would be sent unencrypted, for a warning at the start. */
import type { DetectorSettings } from '../config/settings';

/** One entry for each secret: the key of its URL. Kafka's own connections are checked by their client. */
export function exposedSecrets({ source, sinks }: DetectorSettings): string[] {
  const exposed: string[] = [];
  const check = (key: string, url: string, hasSecret: boolean): void => {
    if (hasSecret && isPlain(url)) exposed.push(key);
  };
  if (source.kind === 'kafka') {
    const { registry, sasl } = source.kafka;
    check('source.kafka.registry.url', registry.url, registry.username !== '');
    check('source.kafka.sasl.oauth.tokenUrl', sasl.oauth.tokenUrl, true);
  }
  check('sinks.kafka.sasl.oauth.tokenUrl', sinks.kafka.sasl.oauth.tokenUrl, true);
  return exposed;
}

/** Whether a URL has no encryption and leaves this machine. */
function isPlain(url: string): boolean {
  if (!url.startsWith('http://')) return false;
  return !['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}
