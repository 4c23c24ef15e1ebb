#!/usr/bin/env node
/**
 * Draws docs/page.png and docs/overview.png: the page of the demo, in Chromium. `npm start` must have replayed a few faults.
 *
 *   node scripts/page-picture.mjs http://127.0.0.1:9464
 */
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const url = process.argv[2] ?? 'http://127.0.0.1:9464';
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 1180, height: 800 } });
await page.goto(url);
await page.waitForSelector('tr[data-id]');
await save('docs/overview.png');
const { events } = await (await fetch(`${url}/api/v1/events?status=closed&limit=100`)).json();
const clearest = events.toSorted((a, b) => b.peakSurprise - a.peakSurprise)[0];
await page.goto(`${url}/#/event/${encodeURIComponent(clearest.id)}`);
await page.waitForSelector('.chart canvas');
await page.waitForTimeout(500);
await save('docs/page.png');
await browser.close();

async function save(path) {
  await sharp(await page.screenshot())
    .png({ palette: true })
    .toFile(path);
  console.log(path);
}
