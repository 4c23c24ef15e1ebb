/** Secrets that would be sent unencrypted. They cause a warning at the start. */
import type { DetectorSettings } from '../config/settings';
import { isUnencrypted } from '../system/http';

/** The keys of URLs with such secrets. The Kafka client checks its own connections. */
export function exposedSecrets({ source, sinks }: DetectorSettings): string[] {
  const exposed: string[] = [];
  const check = (key: string, url: string, hasSecret: boolean): void => {
    if (hasSecret && isUnencrypted(url)) exposed.push(key);
  };
  if (source.kind === 'kafka') {
    const { registry, sasl } = source.kafka;
    check('source.kafka.registry.url', registry.url, registry.username !== '');
    check('source.kafka.sasl.oauth.tokenUrl', sasl.oauth.tokenUrl, true);
  }
  if (source.kind === 'prometheus') {
    const { url, username, tokenFile } = source.prometheus;
    check('source.prometheus.url', url, username !== '' || tokenFile !== '');
  }
  check('sinks.kafka.sasl.oauth.tokenUrl', sinks.kafka.sasl.oauth.tokenUrl, true);
  const { alertmanager, webhook, grafana, remoteWrite } = sinks;
  for (const url of alertmanager.urls) check('sinks.alertmanager.urls', url, alertmanager.headersFile !== '');
  check('sinks.webhook.url', webhook.url, webhook.headersFile !== '');
  check('sinks.grafana.url', grafana.url, grafana.tokenFile !== '' || grafana.headersFile !== '');
  check('sinks.remoteWrite.url', remoteWrite.url, remoteWrite.headersFile !== '');
  return exposed;
}
