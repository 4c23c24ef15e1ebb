/** The page in a real browser: Chromium, where it is installed. */
import { existsSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { createTrialStore } from '../../src/store/trials';
import { contrast, walk } from './accessibility';
import { changeToken, eventOf, play, startApi, type Started } from './api/harness';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => existsSync(path),
);
const inBrowser = executablePath === undefined ? describe.skip : describe;
if (executablePath === undefined)
  process.stderr.write(
    'skipped: no Chromium is installed (apt-get install chromium), the page is not tested\n',
  );

jest.setTimeout(60_000);

inBrowser('the page', () => {
  let browser: Browser;
  let started: Started;
  let page: Page;
  /** Errors of scripts, of the policy, and of loading. */
  let problems: string[];

  beforeAll(async () => {
    const { chromium } = await import('playwright-core');
    // Chromium's own sandbox needs privileges that containers lack; the page is ours.
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    started = await startApi();
    await openPage();
  });
  afterEach(async () => {
    await page.context().close();
    await started.stop();
  });

  async function openPage(size = { width: 1200, height: 800 }): Promise<void> {
    page = await (await browser.newContext({ viewport: size })).newPage();
    problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(started.url) && !request.url().startsWith('data:'))
        problems.push(`loads ${request.url()}`);
    });
  }

  const textOf = (selector: string): Promise<string> => page.innerText(selector);

  test('shows the detectors, those that do not run with the reason', async () => {
    await page.goto(started.url);
    await page.waitForSelector('.card');
    const text = await textOf('main');
    for (const part of [
      'plant',
      'scoring',
      '12.5 per second',
      'budget 5 a day',
      '90 % of test faults',
      'no model',
    ])
      expect(text).toContain(part);
    expect(problems).toEqual([]);
  });

  test('shows a process that has died, and the events that nobody follows', async () => {
    const [own] = started.told.processes;
    started.told.processes.push({ ...own!, name: 'scorer-2', partitions: [1], stale: true });
    started.past.report([eventOf('pump-1', 'open', { id: 'plant/pump-1/0' })], []);
    await page.goto(started.url);
    await page.waitForSelector('.card');
    expect(await textOf('.card')).toContain('1 scoring, scorer-2 not since 20');
    Object.assign(own!, { stale: true });
    await page.goto(`${started.url}/#/event/${encodeURIComponent('plant/pump-1/0')}`);
    await page.waitForSelector('h1:has-text("pump-1")');
    expect(await textOf('main')).toContain('not followed since 20');
    expect(problems).toEqual([]);
  });

  test('shows events as they happen, and one of them with its curves', async () => {
    await page.goto(`${started.url}/#/events`);
    await page.waitForSelector('.live.on');
    play(started.past, 'pump-7', 0, 50);
    await page.waitForSelector('tr[data-id]');
    expect(await textOf('tr[data-id]')).toContain('flow 9, expected 1');
    expect(await textOf('tr[data-id] .tag')).toBe('open');
    expect(await textOf('main')).toContain('1 event\n');
    play(started.past, 'pump-7', 50);
    await page.waitForSelector('tr[data-id] .tag.quiet');
    await page.click('tr[data-id] .wide a');
    await page.waitForSelector('.chart canvas');
    expect(await textOf('h1')).toBe('pump-7: flow 9, expected 1');
    expect(await textOf('main')).toContain('once in 1,000,000 normal records');
    // Flow and surprise; power is one of the others.
    expect(await page.locator('.chart').count()).toBe(2);
    expect(await drawnColours()).toBeGreaterThan(3);
    await page.click('details summary');
    await page.waitForSelector('.chart >> nth=2');
    expect(problems).toEqual([]);
  });

  test('shows an event that happens while the list is on its way', async () => {
    await page.route('**/api/v1/events?*', async (route) => {
      const answer = await route.fetch();
      play(started.past, 'pump-7', 0, 50);
      await route.fulfill({ response: answer });
    });
    await page.goto(`${started.url}/#/events`);
    await page.waitForSelector('tr[data-id]');
    expect(await textOf('main')).toContain('1 event\n');
    expect(problems).toEqual([]);
  });

  test('shows what happened while there was no connection', async () => {
    let attempts = 0;
    await page.route('**/api/v1/events/stream', (route) =>
      ++attempts === 1 ? route.abort() : route.continue(),
    );
    await page.goto(`${started.url}/#/events`);
    await page.waitForSelector('text=No events so far.');
    play(started.past, 'pump-7', 0, 50);
    await page.waitForSelector('tr[data-id]');
    expect(attempts).toBe(2);
    expect(await textOf('main')).toContain('1 event\n');
  });

  /** Number of colours in the first chart. */
  function drawnColours(): Promise<number> {
    return page
      .locator('.chart canvas')
      .first()
      .evaluate((element) => {
        const canvas = element as unknown as {
          width: number;
          height: number;
          getContext(kind: '2d'): { getImageData(...area: number[]): { data: Uint8ClampedArray } };
        };
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Set<number>();
        for (let at = 0; at < data.length; at += 4)
          if (data[at + 3]! > 200) seen.add((data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!);
        return seen.size;
      });
  }

  test('shows the nearest normal record, and where an image is odd', async () => {
    play(started.past, 'pump-7');
    await page.goto(`${started.url}/#/event/${encodeURIComponent(eventOf('pump-7', 'open').id)}`);
    await page.waitForSelector('h2:has-text("Nearest normal record")');
    expect(await textOf('main')).toContain('given all channels but flow, which do not fit the others');
    expect(await page.locator('.heat').count()).toBe(0);
    const [first] = eventOf('camera', 'closed').contributions;
    const regions = [
      {
        ...first!,
        channel: 'x 30-59, y 0-19',
        region: { x: 30, y: 0, width: 30, height: 20 },
        contribution: 50,
      },
      {
        ...first!,
        channel: 'x 0-29, y 20-39',
        region: { x: 0, y: 20, width: 30, height: 20 },
        contribution: 25,
      },
    ];
    started.past.report([eventOf('camera', 'closed', { contributions: regions })], []);
    await page.goto(`${started.url}/#/event/${encodeURIComponent(eventOf('camera', 'open').id)}`);
    await page.waitForSelector('.heat');
    const boxes = await page.locator('.heat span').evaluateAll((areas) =>
      areas.map((area) => {
        const { left, top, width, height, opacity } = (area as unknown as { style: Record<string, string> })
          .style;
        return [left, top, width, height, Number(opacity)];
      }),
    );
    expect(boxes).toEqual([
      ['0%', '50%', '50%', '50%', 0.575],
      ['50%', '0%', '50%', '50%', 1],
    ]);
    expect(problems).toEqual([]);
  });

  test('shows the image of an event under its heat map', async () => {
    const id = 'plant/camera/9';
    const [first] = eventOf('camera', 'closed').contributions;
    const region = { x: 30, y: 0, width: 30, height: 20 };
    const { key, start: timestamp } = eventOf('camera', 'open');
    const surprise = 9;
    started.past.observe(
      {
        ...{ partition: 0, key, timestamp, surprise, threshold: 3, aboveBaseline: surprise, anomalous: true },
        image: () => () => ({ width: 90, height: 60, pixels: new Uint8Array(16_200).fill(200) }),
      },
      [],
      () => undefined,
    );
    started.past.report([eventOf('camera', 'open', { id, contributions: [{ ...first!, region }] })], []);
    await page.goto(`${started.url}/#/event/${encodeURIComponent(id)}`);
    const map = page.locator('img.heat-map');
    await map.waitFor();
    expect(await map.getAttribute('alt')).toContain('Odd areas of the image');
    await page.waitForFunction('document.querySelector("img.heat-map").naturalWidth === 90');
    expect(await map.evaluate((element) => element.clientWidth / element.clientHeight)).toBeCloseTo(1.5, 1);
    expect(problems).toEqual([]);
  });

  test('treats what comes from outside as text', async () => {
    const key = '<img src=x onerror=alert(1)>';
    play(started.past, key);
    for (const route of ['events', `device/plant/${encodeURIComponent(key)}`]) {
      await page.goto(`${started.url}/#/${route}`);
      await page.waitForSelector('tr[data-id]');
      expect(await textOf('main')).toContain(key);
    }
    expect(await page.locator('main img').count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test('works by keyboard', async () => {
    play(started.past, 'pump-7');
    await page.goto(started.url);
    await page.waitForSelector('tr[data-id]');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    for (let i = 0; i < 3; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.filters');
    await page.focus('tr[data-id] .wide a');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.chart canvas');
    expect(problems).toEqual([]);
  });

  test('fits on a phone, light and dark', async () => {
    play(started.past, 'pump-7');
    await openPage({ width: 360, height: 700 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const route of [
        '',
        'events',
        `event/${encodeURIComponent(eventOf('pump-7', 'open').id)}`,
        'device/plant/pump-7',
        'mutes',
        'versions',
        'what-if',
      ]) {
        await page.goto(`${started.url}/#/${route}`);
        await page.waitForSelector(`nav a[aria-current="page"][href^="#/${route.split('/')[0]}"]`);
        await page.waitForSelector('main[aria-busy="false"]');
        await page.waitForTimeout(200);
        await openMuteForm();
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
      }
    }
    const background = await page.evaluate(
      'getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)',
    );
    expect(Math.max(...(background as number[]))).toBeLessThan(60);
    expect(problems).toEqual([]);
  });

  test('a view that is left while an answer comes goes on with none', async () => {
    await page.goto(started.url);
    const outcome = await page.evaluate(`(async () => {
      const { get } = await import('/page/api.js');
      const view = new AbortController();
      window.fetch = async () => ({ ok: true, json: async () => { view.abort(); throw view.signal.reason; } });
      return get('/detectors', view.signal).then((answer) => typeof answer, (error) => error.name);
    })()`);
    expect(outcome).toBe('AbortError');
  });

  /** Shows all that the form of a mute has, where there is one. */
  async function openMuteForm(): Promise<void> {
    await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))");
    const when = page.getByLabel('When');
    if ((await when.count()) > 0) await when.selectOption({ label: 'every week …' });
  }

  test('labels and mutes with a token, which it asks for', async () => {
    play(started.past, 'pump-7');
    await page.goto(`${started.url}/#/event/${encodeURIComponent(eventOf('pump-7', 'open').id)}`);
    await page.fill('[aria-label="Note"]', 'cleaning');
    await page.click('button:has-text("False alarm")');
    await page.waitForSelector('dialog[open]');
    await page.click('#token-cancel');
    await page.click('button:has-text("False alarm")');
    await page.fill('#token-input', 'wrong');
    await page.keyboard.press('Enter');
    // It asks again, and then does what was asked for.
    await page.waitForSelector('#notice:has-text("token")');
    await page.waitForSelector('dialog[open]');
    await page.fill('#token-input', changeToken);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#token:has-text("Token set")');
    await page.waitForSelector('button[aria-pressed="true"]:has-text("False alarm")');
    expect(started.past.event(eventOf('pump-7', 'open').id)).toMatchObject({
      label: { label: 'normal', note: 'cleaning' },
      revision: 1,
    });
    await page.getByLabel('When').selectOption({ label: 'for a day' });
    await page.click('button:text-is("Mute")');
    await page.waitForSelector('.mute:has-text("pump-7 until 20")');
    await page.click('.mute button');
    await page.waitForSelector('.mute', { state: 'detached' });
    expect(started.mutes.list()).toEqual([]);
    await page.click('button:text-is("Mute")');
    await page.waitForSelector('.mute');
    await page.click('nav a:has-text("Mutes")');
    await page.waitForSelector('td:has-text("pump-7")');
    expect(started.mutes.list()).toMatchObject([{ key: 'pump-7', channel: '' }]);
    await page.click('button:has-text("Remove")');
    await page.waitForSelector('main:has-text("Nothing is muted")');
    expect(started.mutes.list()).toEqual([]);
    // The refused token.
    expect(problems).toEqual([expect.stringContaining('401')]);
  });

  describe('mutes that recur', () => {
    const add = async (more: () => Promise<unknown>): Promise<void> => {
      const before = started.mutes.list().length;
      await page.waitForSelector('form button:text-is("Mute") >> visible=true');
      await more();
      await page.click('form button:text-is("Mute")');
      await page.waitForSelector(`button:text-is("Remove") >> nth=${before}`);
    };
    const newest = (): unknown => started.mutes.list().at(-1);
    const field = (label: string) =>
      page.locator('label', { hasText: new RegExp(`^${label}`) }).locator('input, select');
    const choose = (label: string, option: string) => field(label).selectOption({ label: option });

    beforeEach(async () => {
      play(started.past, 'pump-7');
      await page.goto(started.url);
      await page.evaluate(`sessionStorage.setItem('vaemon-token', '${changeToken}')`);
      await page.context().close();
      // Half past ten in the evening of 2026-01-05, a Monday, in Berlin; the records are those of half past midnight UTC.
      const context = await browser.newContext({ timezoneId: 'Europe/Berlin' });
      await context.addInitScript(`sessionStorage.setItem('vaemon-token', '${changeToken}')`);
      page = await context.newPage();
      page.on('pageerror', (error) => problems.push(error.message));
    });

    test('every week, on the page of a device', async () => {
      await page.goto(`${started.url}/#/device/plant/pump-7`);
      await page.click('summary:text-is("Mute")');
      await add(async () => {
        await choose('When', 'every week …');
        await choose('Day', 'Sunday');
        await field('From').fill('22:30');
        await field('Hours').fill('2.5');
        await choose('Channel', 'power');
        await field('Note').fill('lubrication');
      });
      expect(newest()).toMatchObject({
        key: 'pump-7',
        channel: 'power',
        until: null,
        recurring: { cron: '30 22 * * 0', forMs: 9_000_000, timeZone: 'Europe/Berlin' },
        note: 'lubrication',
      });
      expect(await textOf('.mute')).toMatch(
        /^pump-7, power Sundays 22:30–01:00 \(Europe\/Berlin\) next 2026-01-11 22:30:00 Remove$/,
      );
      expect(problems).toEqual([]);
    });

    test('on the page of a device without scores', async () => {
      await page.goto(`${started.url}/#/device/plant/pump-8`);
      await page.click('summary:text-is("Mute")');
      expect(await textOf('main')).toContain('No scores are kept of this device');
      await add(() => field('Channel').fill('flow'));
      expect(newest()).toMatchObject({ key: 'pump-8', channel: 'flow' });
      expect(problems).toEqual([]);
    });

    test('every day until a day, on the page of an event', async () => {
      await page.goto(`${started.url}/#/event/${encodeURIComponent(eventOf('pump-7', 'open').id)}`);
      await add(async () => {
        await choose('When', 'every day …');
        await field('From').fill('01:00');
        await field('Last day').fill('2027-03-31');
      });
      expect(newest()).toMatchObject({
        key: 'pump-7',
        channel: '',
        // Midnight of summer time.
        until: Date.parse('2027-03-31T22:00:00Z'),
        recurring: { cron: '0 1 * * *', forMs: 7_200_000, timeZone: 'Europe/Berlin' },
        note: `from the event ${eventOf('pump-7', 'open').id}`,
      });
      expect(await textOf('.mute')).toContain(
        'daily 01:00–03:00 (Europe/Berlin), until 2027-04-01 00:00:00 in force',
      );
      await page.click('.mute button');
      await page.waitForSelector('.mute', { state: 'detached' });
      expect(started.mutes.list()).toEqual([]);
      expect(problems).toEqual([]);
    });

    test('on all devices, in the list of mutes, by keyboard alone', async () => {
      await page.goto(`${started.url}/#/mutes`);
      await page.waitForSelector('form');
      expect(await textOf('main')).toContain('Nothing is muted');
      const tabTo = async (label: string): Promise<void> => {
        for (let i = 0; i < 40; i++) {
          if (await page.evaluate(`document.activeElement.labels?.[0]?.textContent.startsWith('${label}')`))
            return;
          await page.keyboard.press('Tab');
        }
        throw new Error(`Tab does not lead to ${label}`);
      };
      await tabTo('Channel');
      await page.keyboard.type('flow');
      await tabTo('When');
      await page.keyboard.type('Monday to');
      await tabTo('From');
      await page.keyboard.type('0600AM');
      await tabTo('Hours');
      await page.keyboard.type('3');
      await page.keyboard.press('Enter');
      await page.waitForSelector('tbody tr');
      expect(newest()).toMatchObject({
        key: '',
        channel: 'flow',
        until: null,
        recurring: { cron: '0 6 * * 1-5', forMs: 3 * 3_600_000, timeZone: 'Europe/Berlin' },
      });
      expect(await textOf('tbody tr')).toMatch(
        /all devices plant\s+flow\s+Monday to Friday 06:00–09:00 \(Europe\/Berlin\)\s+next 2026-01-05 06:00:00/,
      );
      // One that it cannot be: the form says so, and nothing is sent.
      await choose('When', 'every day …');
      await field('Hours').fill('0');
      await page.click('form button:text-is("Mute")');
      expect(await page.locator('input:invalid').count()).toBe(1);
      expect(started.mutes.list()).toHaveLength(1);
      expect(problems).toEqual([]);
    });

    test('once, later', async () => {
      await page.goto(`${started.url}/#/mutes`);
      await add(async () => {
        await field('Device').fill('pump-8');
        await choose('When', 'on a day …');
        await field('Date').fill('2027-07-01');
        await field('From').fill('08:00');
      });
      const from = Date.parse('2027-07-01T06:00:00Z');
      expect(newest()).toMatchObject({ key: 'pump-8', from, until: from + 7_200_000 });
      expect(await textOf('tbody tr')).toContain('from 2027-07-01 08:00:00 until 2027-07-01 10:00:00');
    });
  });

  test('shows which events another target would have opened, by keyboard', async () => {
    play(started.past, 'pump-7');
    await page.goto(started.url);
    await page.click('nav a:has-text("What if")');
    await page.waitForSelector('tr[data-key="pump-7"]');
    expect(await textOf('#supposed')).toContain('Events\n1');
    expect(await textOf('main')).not.toContain('false\n');
    expect(await textOf('tr[data-key="pump-7"] .wide')).toBe('flow 9, expected 1');
    expect(await textOf('output')).toBe('5 per day (as configured)');
    await page.focus('#target');
    await page.keyboard.press('Home');
    await page.waitForSelector('h2:has-text("would have missed")');
    expect(await textOf('output')).toBe('0.05 per day');
    await page.click('li a:has-text("pump-7: flow 9, expected 1")');
    await page.waitForSelector('h1:has-text("pump-7")');
    expect(problems).toEqual([]);
  });

  test('uses and pins a version', async () => {
    const second = await started.store.publish(new Map([['report.json', Buffer.from('{"records":7}')]]), {});
    await page.goto(started.url);
    await page.evaluate(`sessionStorage.setItem('vaemon-token', '${changeToken}')`);
    await page.goto(`${started.url}/#/versions`);
    await page.click('details:nth-of-type(2) summary');
    await page.click('details[open] button:has-text("Use and pin")');
    await page.waitForSelector('.tag:has-text("pinned")');
    expect(started.told.used).toEqual([['20260101T000000.000Z', true]]);
    expect(await started.store.current()).not.toBe(second);
    await page.click('button:has-text("Unpin")');
    await page.waitForSelector('button:has-text("Unpin")', { state: 'detached' });
    await page.click('button:has-text("Train now")');
    await page.waitForTimeout(300);
    expect(started.told.trainings).toBe(1);
    expect(problems).toEqual([]);
  });

  test('shows the gates of a version that failed one, and promotes it', async () => {
    const files = new Map([['report.json', Buffer.from('{"records":7}')]]);
    const second = await started.store.publish(files, {}, { onTrial: true });
    await createTrialStore(started.directory, 'plant').put({
      version: second,
      before: '20260101T000000.000Z',
      state: 'refused',
      since: 1,
      changedAt: 1,
      by: 'gates',
      gates: [{ gate: 'power', passed: false, text: 'finds 3 % of the canaries' }],
    });
    await page.goto(started.url);
    await page.evaluate(`sessionStorage.setItem('vaemon-token', '${changeToken}')`);
    await page.goto(`${started.url}/#/versions`);
    await page.click('details:has-text("failed a gate") summary');
    expect(await textOf('details[open] dl')).toContain('failed: finds 3 % of the canaries');
    await page.click('details[open] button:has-text("Promote")');
    await page.waitForSelector('.tag:has-text("trial over")');
    expect(started.told.used).toEqual([[second, false]]);
    expect(problems).toEqual([]);
  });

  test('has the runbook that an alert links to', async () => {
    await page.goto(`${started.url}/runbooks#vaemonanomaly`);
    expect(await textOf('h3:target')).toBe('VaemonAnomaly');
    expect(await textOf('h3:target + ul')).toContain('Meaning: an event of this device is open');
    expect(problems).toEqual([]);
  });

  test('says what is wrong: no such event, and no right to read', async () => {
    await page.goto(`${started.url}/#/event/nothing`);
    await page.waitForSelector('#notice:not([hidden])');
    expect(await textOf('#notice')).toContain('there is no event "nothing"');
    await page.evaluate("sessionStorage.setItem('vaemon-token', 'wrong')");
    await page.goto(`${started.url}/?reload#/`);
    await page.waitForSelector('#notice:not([hidden])');
    expect(await textOf('#notice')).toContain('wrong token');
  });

  /** Every view, of a detector with an event, a label and a mute. */
  const allViews = [
    '',
    'events',
    `event/${encodeURIComponent(eventOf('pump-7', 'open').id)}`,
    'devices',
    'device/plant/pump-7',
    'mutes',
    'versions',
    'what-if',
  ];
  async function fill(): Promise<void> {
    play(started.past, 'pump-7');
    await started.mutes.add({ key: 'pump-8', channel: '', from: 0, until: 9e12, note: 'cleaning' });
  }

  test.each(allViews)('Tab reaches each control of "%s", with a name and a visible focus', async (route) => {
    await fill();
    await page.goto(`${started.url}/#/${route}`);
    await page.waitForSelector('main[aria-busy="false"]');
    await openMuteForm();
    const { controls, met } = await walk(page);
    expect(controls.length).toBeGreaterThan(7);
    expect(met.map(({ tag, text }) => ({ tag, text }))).toEqual(controls);
    expect(met.filter(({ name, isSeen }) => name === '' || !isSeen)).toEqual([]);
  });

  test.each(['light', 'dark'] as const)(
    'texts differ enough from their background: %s',
    async (colorScheme) => {
      await fill();
      await page.emulateMedia({ colorScheme });
      for (const route of allViews) {
        await page.goto('about:blank');
        await page.goto(`${started.url}/#/${route}`);
        await page.waitForSelector('main[aria-busy="false"]');
        await openMuteForm();
        const { checked, pale } = await contrast(page);
        expect({ route, some: checked > 10, pale }).toEqual({ route, some: true, pale: [] });
      }
    },
  );

  test('loads little for 10,000 devices and a thousand events, and more on demand', async () => {
    await started.stop();
    started = await startApi({ devices: 10_000 });
    await openPage();
    for (let i = 0; i < 10_000; i++) play(started.past, `pump-${i}`, 0, 1);
    for (let i = 0; i < 1000; i++)
      started.past.report(
        [eventOf(`pump-${i}`, 'closed', { id: `plant/pump-${i}`, openedAt: 1e12 + i })],
        [],
      );
    const asked = new Set<string>();
    const sizes: number[] = [];
    page.on('response', (response) => {
      if (!response.url().includes('/api/') || response.url().endsWith('/stream')) return;
      asked.add(response.url());
      sizes.push(Number(response.headers()['content-length']));
    });
    await page.goto(started.url);
    await page.waitForSelector('tr[data-id] >> nth=7');
    expect(asked.size).toBe(2);
    expect(Math.max(...sizes)).toBeLessThan(20_000);
    await page.goto(`${started.url}/#/devices`);
    await page.waitForSelector('td a >> nth=99');
    expect(await textOf('main h2')).toBe('plant: 10,000 devices');
    expect(await page.locator('td a').count()).toBe(100);
    await page.goto(`${started.url}/#/events`);
    await page.waitForSelector('tr[data-id] >> nth=99');
    expect(await page.locator('tr[data-id]').count()).toBe(100);
    expect(Math.max(...sizes)).toBeLessThan(200_000);
    await page.click('button:has-text("More")');
    await page.waitForSelector('tr[data-id] >> nth=199');
    expect(problems).toEqual([]);
  });
});
