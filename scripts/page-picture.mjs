#!/usr/bin/env node
/**
 * Draws docs/page.png, docs/overview.png and docs/mutes.png: the page of the demo, in Chromium. `npm start` must have replayed a few
 * faults. With the token of the demo, it adds the mutes that it draws.
 *
 *   node scripts/page-picture.mjs http://127.0.0.1:9464 "$(cat var/models/demo-token)"
 */
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const [url = 'http://127.0.0.1:9464', token = ''] = process.argv.slice(2);
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1180, height: 800 } });
await page.setViewportSize({ width: 1180, height: 500 });
await page.goto(url);
await page.waitForSelector('tr[data-id]');
await save('docs/overview.png');
await page.setViewportSize({ width: 1180, height: 800 });
const { events } = await (await fetch(`${url}/api/v1/events?status=closed&limit=100`)).json();
const clearest = events.toSorted((a, b) => b.peakSurprise - a.peakSurprise)[0];
await page.goto(`${url}/#/event/${encodeURIComponent(clearest.id)}`);
await page.waitForSelector('.chart canvas');
await page.waitForTimeout(500);
await save('docs/page.png');
await page.setViewportSize({ width: 1180, height: 500 });
for (const body of [
  { recurring: { cron: '0 2 * * 0', forMs: 7_200_000, timeZone: 'Europe/Berlin' }, note: 'updates' },
  { key: 'host-1', channel: 'io_wait', forMs: 8 * 3_600_000, note: 'the disk is replaced today' },
])
  await fetch(`${url}/api/v1/detectors/host/mutes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
await page.goto(`${url}/#/mutes`);
await page.waitForSelector('tbody tr');
await page.locator('label', { hasText: /^When/ }).locator('select').selectOption({ label: 'every week …' });
await save('docs/mutes.png');
await browser.close();

async function save(path) {
  await sharp(await page.screenshot())
    .png({ palette: true })
    .toFile(path);
  console.log(path);
}
