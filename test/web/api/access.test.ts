import { refuseChange, refuseReading, type AccessRules, type Caller } from '../../../src/web/api/access';

const readToken = 'a-token-for-reading';
const changeToken = 'a-token-for-changes';

const rules = (changes: Partial<AccessRules> = {}): AccessRules => ({
  reading: 'loopback',
  readToken: () => readToken,
  changeToken: () => changeToken,
  ...changes,
});

/** A program on this machine. */
const local = (headers: Caller['headers'] = {}, remoteAddress = '127.0.0.1'): Caller => ({
  remoteAddress,
  method: 'GET',
  headers: { host: 'localhost:9464', ...headers },
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('reading', () => {
  test.each(['127.0.0.1', '127.3.2.1', '::1', '::ffff:127.0.0.1'])('is open from %s', (address) => {
    expect(refuseReading(local({}, address), rules())).toBeUndefined();
  });

  test.each([
    ['another machine', local({}, '192.0.2.7')],
    ['an unknown address', local({}, '')],
    ['an address that begins like a local one', local({}, '127.0.0.1.example.com')],
    ['a foreign name that leads to this machine', local({ host: 'evil.example.com:9464' })],
    ['a name that begins like a local one', local({ host: 'localhost.example.com' })],
    ['a proxy on this machine', local({ 'x-forwarded-for': '192.0.2.7' })],
    ['a proxy with the standard header', local({ forwarded: 'for=192.0.2.7' })],
  ])('needs a token from %s', (_, caller) => {
    expect(refuseReading(caller, rules())).toMatchObject({ status: 401 });
    const withToken = { ...caller, headers: { ...caller.headers, ...bearer(readToken) } };
    expect(refuseReading(withToken, rules())).toBeUndefined();
  });

  test('is allowed with either token, and with no other', () => {
    const from = (token: string) =>
      refuseReading(local(bearer(token), '192.0.2.7'), rules({ reading: 'token' }));
    expect(from(readToken)).toBeUndefined();
    expect(from(changeToken)).toBeUndefined();
    for (const wrong of ['', readToken.slice(1), `${readToken}x`, readToken.toUpperCase()])
      expect(from(wrong)).toMatchObject({ status: 401, wrongToken: true });
  });

  test('with a wrong token is refused on this machine, too', () => {
    expect(refuseReading(local(bearer('wrong')), rules())).toMatchObject({ status: 401, wrongToken: true });
  });

  test('can be closed to this machine, and opened to all', () => {
    expect(refuseReading(local(), rules({ reading: 'token' }))).toMatchObject({ status: 401 });
    expect(refuseReading(local({ host: 'x' }, '192.0.2.7'), rules({ reading: 'open' }))).toBeUndefined();
  });

  test('a token file that cannot be read locks out nobody with the other token', () => {
    const broken = () => {
      throw new Error('unreadable');
    };
    const caller = local(bearer(changeToken), '192.0.2.7');
    expect(refuseReading(caller, rules({ readToken: broken }))).toBeUndefined();
  });

  test('without tokens, nobody from elsewhere reads', () => {
    const none = rules({ readToken: () => undefined, changeToken: () => undefined });
    for (const token of ['', 'undefined', 'anything']) {
      expect(refuseReading(local(bearer(token), '192.0.2.7'), none)).toMatchObject({ status: 401 });
    }
  });
});

describe('a change', () => {
  const change = (headers: Caller['headers'] = {}, more: Partial<AccessRules> = {}) =>
    refuseChange(
      {
        ...local({ 'content-type': 'application/json', ...bearer(changeToken), ...headers }),
        method: 'POST',
      },
      rules(more),
    );

  test('needs the token of changes, on this machine, too', () => {
    expect(change()).toBeUndefined();
    expect(change({ authorization: undefined })).toMatchObject({ status: 401 });
    expect(change(bearer(readToken))).toMatchObject({ status: 401, wrongToken: true });
    expect(change({ authorization: changeToken })).toMatchObject({ status: 401 });
  });

  test('is off without a token, however open reading is', () => {
    expect(change({}, { changeToken: () => undefined, reading: 'open' })).toMatchObject({ status: 403 });
    expect(change({ authorization: 'Bearer undefined' }, { changeToken: () => undefined })).toMatchObject({
      status: 403,
    });
  });

  test('is refused while the token cannot be read', () => {
    const broken = () => {
      throw new Error('/run/token cannot be read (EACCES)');
    };
    expect(change({}, { changeToken: broken })).toMatchObject({
      status: 503,
      hint: expect.stringContaining('EACCES'),
    });
  });

  test.each([
    undefined,
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
  ])('is refused with the content type %s', (type) =>
    expect(change({ 'content-type': type })).toMatchObject({ status: 415 }),
  );

  test('takes parameters of the content type', () => {
    expect(change({ 'content-type': 'application/json; charset=utf-8' })).toBeUndefined();
  });
});

describe('a page of another site', () => {
  test.each([
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ origin: 'https://evil.example.com' }],
    [{ origin: 'null' }],
    // Another port of this machine is another site's program.
    [{ origin: 'http://localhost:3000' }],
  ])('neither reads nor changes: %j', (headers) => {
    expect(refuseReading(local(headers), rules({ reading: 'open' }))).toMatchObject({ status: 403 });
    const caller = local({ 'content-type': 'application/json', ...bearer(changeToken), ...headers });
    expect(refuseChange({ ...caller, method: 'POST' }, rules())).toMatchObject({ status: 403 });
  });

  test.each([
    [{ 'sec-fetch-site': 'same-origin', origin: 'http://localhost:9464' }],
    [{ 'sec-fetch-site': 'none' }],
    [{}],
  ])('is not the own page: %j', (headers) => {
    expect(refuseReading(local(headers), rules())).toBeUndefined();
  });
});
