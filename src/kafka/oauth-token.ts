/** Tokens for OAUTHBEARER: from a file that another program renews, or from an OIDC provider (RFC 6749, section 4.4). */
import { ask } from '../system/http';
import { readSecret, readText } from '../system/secret';
import type { KafkaConnectionSettings } from './connection-settings';

export type OAuthSettings = KafkaConnectionSettings['sasl']['oauth'];

/** Share of a token's lifetime in which it is used. */
const usedShare = 0.8;
/** Longest use of a token, ms: a token that the brokers no longer accept must not be used for hours. */
const maxAgeMs = 60_000;

const timeoutMs = 5_000;

/** Returns a function that resolves to a valid token, or rejects if there is none. */
export function createTokenSource(settings: OAuthSettings, now = Date.now): () => Promise<string> {
  let current: { token: Promise<string>; until: number } | undefined;

  async function fetchToken(): Promise<string> {
    const { clientId, clientSecret, clientSecretFile, tokenUrl, scope, ca } = settings;
    const basic = [clientId, readSecret(clientSecret, clientSecretFile)].map(encodeURIComponent).join(':');
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      ...(scope !== '' && { scope }),
    });
    const { status, body } = await ask({
      url: new URL(tokenUrl),
      headers: {
        accept: 'application/json',
        authorization: `Basic ${Buffer.from(basic).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: form.toString(),
      ca: ca === '' ? undefined : readText(ca),
      timeoutMs,
    });
    const answer = parseAnswer(body);
    if (status !== 200 || answer.token === undefined)
      throw new Error(
        `it answered with HTTP ${status}${answer.error === undefined ? '' : ` (${answer.error})`}`,
      );
    if (current !== undefined) current.until = now() + Math.min(maxAgeMs, 1000 * answer.seconds * usedShare);
    return answer.token;
  }

  return async () => {
    if (settings.tokenFile !== '') return readSecret('', settings.tokenFile);
    if (current === undefined || current.until <= now()) {
      // Concurrent calls share one request.
      current = { token: fetchToken(), until: Infinity };
    }
    try {
      return await current.token;
    } catch (cause) {
      current = undefined;
      throw new Error(`token endpoint ${settings.tokenUrl} did not return a token`, { cause });
    }
  };
}

/** Reads only these fields: the rest of an answer may contain a token, and must never be logged. */
function parseAnswer(body: string) {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    // The answer is not JSON, such as an HTML page.
  }
  const fields = typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
  const { access_token: token, expires_in: seconds, error } = fields;
  return {
    token: typeof token === 'string' && token !== '' ? token : undefined,
    /** Lifetime, s; 0 = not stated. */
    seconds: typeof seconds === 'number' && seconds > 0 ? seconds : 0,
    /** Error code of the standard. */
    error: typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : undefined,
  };
}
