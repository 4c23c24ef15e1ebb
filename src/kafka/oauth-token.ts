/** Tokens for OAUTHBEARER: from a file that someone else keeps fresh, or from an OIDC provider (RFC 6749, section 4.4). */
import { ask } from '../system/http';
import { readSecret, readText } from '../system/secret';

export interface OAuthSettings {
  /** Read anew for each connection; empty = the token comes from `tokenUrl`. */
  tokenFile: string;
  tokenUrl: string;
  clientId: string;
  clientSecret: string;
  /** Wins over `clientSecret`. */
  clientSecretFile: string;
  /** Empty = what the provider gives unasked. */
  scope: string;
  /** File of the authorities that are trusted, PEM; empty = those that Node trusts. */
  ca: string;
}

/** A token is used for so much of its life, … */
const usedShare = 0.8;
/** … and no longer than this, ms: one that the brokers do not take any more must not be offered for hours. */
const maxAgeMs = 60_000;

const timeoutMs = 5_000;

/** Returns a token that can be used now; rejects when there is none. */
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
      throw new Error(`answers with HTTP ${status}${answer.error === undefined ? '' : ` (${answer.error})`}`);
    if (current !== undefined) current.until = now() + Math.min(maxAgeMs, 1000 * answer.seconds * usedShare);
    return answer.token;
  }

  return async () => {
    if (settings.tokenFile !== '') return readSecret('', settings.tokenFile);
    if (current === undefined || current.until <= now()) {
      // Whoever asks meanwhile waits for the same answer.
      current = { token: fetchToken(), until: Infinity };
    }
    try {
      return await current.token;
    } catch (cause) {
      current = undefined;
      throw new Error(`token endpoint ${settings.tokenUrl} gives no token`, { cause });
    }
  };
}

interface Answer {
  token: string | undefined;
  /** Seconds from now; 0 where nothing is said. */
  seconds: number;
  /** One of the words of the standard. */
  error: string | undefined;
}

/** Nothing else of an answer is ever shown: it may hold a token. */
function parseAnswer(body: string): Answer {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    // A page for people.
  }
  const fields = typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
  const { access_token: token, expires_in: seconds, error } = fields;
  return {
    token: typeof token === 'string' && token !== '' ? token : undefined,
    seconds: typeof seconds === 'number' && seconds > 0 ? seconds : 0,
    error: typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : undefined,
  };
}
