/** The web server of the process: metrics, health, readiness, and the API of its detectors. */
import type { DaemonSettings } from '../config/settings';
import type { Logger } from '../logger';
import { writeAtomically } from '../system/atomic-write';
import { readSecret } from '../system/secret';
import { isLoopbackAddress, shortestToken, type AccessRules } from '../web/api/access';
import { createApi, type ApiOptions } from '../web/api/api';
import { readRunbooks, runbooksPath } from '../web/runbooks';
import { readPage } from '../web/static';
import { createWebServer, type WebServerOptions } from '../web/server';

export interface WebParts extends Pick<WebServerOptions, 'metrics' | 'health' | 'readiness'> {
  /** Settings in force. */
  daemon: () => Pick<DaemonSettings, 'http' | 'api'>;
  version: string;
  detectors: ApiOptions['detectors'];
  audit: ApiOptions['audit'];
  log: Pick<Logger, 'error' | 'warn' | 'info'>;
}

export async function startWeb({ daemon, version, detectors, audit, log, ...pages }: WebParts) {
  const { http, api: settings } = daemon();
  const access: AccessRules = {
    get reading() {
      return daemon().api.reading;
    },
    readToken: () => readToken(daemon().api.readTokenFile),
    changeToken: () => readToken(settings.tokenFile),
  };
  for (const file of [settings.readTokenFile, settings.tokenFile]) {
    try {
      readToken(file);
    } catch (err) {
      log.error('the token of the API cannot be used', { err });
    }
  }
  const api = createApi({
    version,
    access,
    detectors,
    audit,
    log,
  });
  const web = await createWebServer({
    ...http,
    ...pages,
    page: new Map([...readPage(), [runbooksPath, readRunbooks()]]),
    api,
    log,
  });
  const { url, host } = web.address;
  if (http.portFile !== '')
    await writeAtomically(http.portFile, `${new URL(url).port}\n`).catch((err: unknown) =>
      log.error('the port cannot be written to its file', { path: http.portFile, err }),
    );
  const reading = describeReading(settings, host);
  const changes =
    settings.tokenFile === '' ? 'off, as api.tokenFile is not set' : 'with the token of api.tokenFile';
  const text = `open ${url} in a browser: the page, readable ${reading}; changes are ${changes}`;
  log.info('web server listens', { url, reading, changes }, text);
  return { ...web, publish: api.publish };
}

/** @throws Error if the file cannot be read, or if its token is short enough to guess */
function readToken(file: string): string | undefined {
  if (file === '') return undefined;
  const token = readSecret('', file);
  if (token.length < shortestToken)
    throw new Error(
      `${file} contains a token of ${token.length} characters; it needs at least ${shortestToken}`,
    );
  return token;
}

function describeReading({ reading, readTokenFile, tokenFile }: DaemonSettings['api'], host: string): string {
  if (reading === 'open') return 'open to everyone who reaches the port';
  if (readTokenFile === '' && tokenFile === '')
    return reading === 'token'
      ? 'with a token only, but api.readTokenFile is not set'
      : 'from this machine only, as api.readTokenFile is not set';
  const token = readTokenFile === '' ? 'the token of api.tokenFile' : 'the token of api.readTokenFile';
  if (reading === 'token') return `with ${token}`;
  return isLoopbackAddress(host) ? 'from this machine' : `from this machine, and from others with ${token}`;
}
