/**
 * Sends events to a webhook, one request when an event opens and one when it ends. With a secret, requests are signed as in
 * Standard Webhooks 1.0 (standardwebhooks.com). A repeated message has the same id, so that a receiver can ignore it.
 */
import { createHash, createHmac } from 'node:crypto';
import type { AnomalyEvent } from '../../domain/event';
import type { Logger } from '../../logger';
import { isUnencrypted } from '../../system/http';
import { readSecret, readText } from '../../system/secret';
import type { LinkSettings } from '../notification/describe';
import { send, type EndpointSettings } from '../notification/endpoint';
import { createEventSink, type EventSinkOptions } from '../notification/event-sink';
import { systemTiming } from '../notification/timing';
import type { Sink } from '../sink';
import { parseTemplate, standardTemplate } from './template';

export interface WebhookSettings extends EndpointSettings {
  url: string;
  urlFile: string;
  /** Path of the template; empty = the standard body. */
  template: string;
  secretFile: string;
  maxQueued: number;
  links: LinkSettings;
}

export interface WebhookOptions extends EventSinkOptions {
  settings: WebhookSettings;
}

/** @throws Error if the template cannot be used */
export function createWebhookSink(options: WebhookOptions): Sink {
  const { settings, log, timing = systemTiming } = options;
  const { template, maxQueued } = settings;
  const render = template === '' ? standardTemplate : parseTemplate(readText(template), template);

  if (settings.urlFile !== '') warnIfUnencrypted(settings, log);

  async function post(event: AnomalyEvent, signal: AbortSignal): Promise<void> {
    const { links, secretFile } = settings;
    const body = render(event, links);
    const url = readUrl(settings);
    const id = `evt_${createHash('sha256').update(`${event.id}/${event.status}`).digest('hex').slice(0, 32)}`;
    const timestamp = String(Math.floor(timing.now() / 1000));
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      ...(secretFile !== '' && {
        'webhook-signature': sign(readSecret('', secretFile), id, timestamp, body),
      }),
    };
    await send(settings, { url, body, headers, signal });
  }

  return createEventSink('webhook', maxQueued, options, post);
}

/** @throws Error that does not contain the URL, which may be a secret */
export function readUrl({ url, urlFile }: Pick<WebhookSettings, 'url' | 'urlFile'>): URL {
  if (urlFile === '') return new URL(url);
  const text = readSecret('', urlFile).trim();
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new Error(`${urlFile} contains no URL that begins with \`http://\` or \`https://\``);
  return new URL(text);
}

function warnIfUnencrypted(settings: WebhookSettings, log: Pick<Logger, 'warn'>): void {
  try {
    if (isUnencrypted(readUrl(settings).href))
      log.warn('a secret is sent unencrypted: the URL begins with http://', { key: 'sinks.webhook.urlFile' });
  } catch (err) {
    log.warn('the URL of the webhook cannot be read; notifications wait for it', { err });
  }
}

/**
 * Signature of a request: `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64. A secret `whsec_…` is decoded from
 * base64; any other is used as text.
 */
export function sign(secret: string, id: string, timestamp: string, body: string): string {
  const prefix = 'whsec_';
  const key = secret.startsWith(prefix)
    ? Buffer.from(secret.slice(prefix.length), 'base64')
    : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
