/** Requests to the API, with the token of this tab if it has one. */

const tokenName = 'vaemon-token';

export const token = {
  get: () => sessionStorage.getItem(tokenName) ?? '',
  set: (value) =>
    value === '' ? sessionStorage.removeItem(tokenName) : sessionStorage.setItem(tokenName, value),
};

export class ApiError extends Error {
  constructor(status, { error, hint } = {}) {
    super([error ?? `the daemon answered ${status}`, hint].filter(Boolean).join(': '));
    this.status = status;
  }
}

const headers = () => (token.get() === '' ? {} : { authorization: `Bearer ${token.get()}` });

async function request(method, path, body, signal) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    signal,
    cache: 'no-store',
    headers: { ...headers(), ...(method !== 'GET' && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  // A view that is left while an answer comes has none.
  const answer = await response.json().catch(() => signal?.throwIfAborted());
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

export const get = (path, signal) => request('GET', path, undefined, signal);
export const change = (method, path, body = {}) => request(method, path, body);

/** A path with its parts escaped, as the tag of a template. */
export function path(parts, ...values) {
  return parts.reduce((text, part, i) => text + encodeURIComponent(values[i - 1]) + part);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Calls `onEvent` with each event as it happens, and connects again after an interruption. An EventSource cannot send a token, so
 * the stream is read here.
 */
export async function follow(onEvent, onState) {
  for (;;) {
    try {
      const response = await fetch('/api/v1/events/stream', { headers: headers(), cache: 'no-store' });
      if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => undefined));
      onState(true);
      let rest = '';
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const messages = (rest + value).split('\n\n');
        rest = messages.pop();
        for (const message of messages) {
          const data = message.split('\n').filter((line) => line.startsWith('data: '));
          if (data.length > 0) onEvent(JSON.parse(data.map((line) => line.slice(6)).join('\n')));
        }
      }
    } catch {
      // Reported by onState; the next attempt may succeed.
    }
    onState(false);
    await pause(3000);
  }
}
