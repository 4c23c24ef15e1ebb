/** Checks of a page in Chromium that a person without a mouse, or with weak eyes, depends on. */
import type { Page } from 'playwright-core';

/** Runs in the browser: what Tab should reach, in the order of the document. */
const listControls = `(() =>
  [...document.querySelectorAll('a[href], button, input, select, summary')]
    .filter((one) => !one.disabled && one.checkVisibility({ visibilityProperty: true }))
    .map((one) => ({ tag: one.tagName, text: (one.textContent || one.name || one.id).trim() })))()`;

/**
 * Runs in the browser: the element in focus, its name for screen readers, and whether the focus is seen; null if it is the last one
 * still, as the parts of a date are.
 */
const describeFocus = `(() => {
  const one = document.activeElement;
  if (one === window.lastFocus) return null;
  window.lastFocus = one;
  const label = one.labels?.[0]?.textContent ?? '';
  const by = document.getElementById(one.getAttribute('aria-labelledby') ?? '')?.textContent ?? '';
  const style = getComputedStyle(one);
  return {
    tag: one.tagName,
    text: (one.textContent || one.name || one.id).trim(),
    name: (one.getAttribute('aria-label') || by || label || one.textContent).trim(),
    isSeen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0,
  };
})()`;

export interface Focus {
  tag: string;
  text: string;
  name: string;
  isSeen: boolean;
}

/** Presses Tab from the beginning of the page until its end. */
export async function walk(
  page: Page,
): Promise<{ controls: Omit<Focus, 'name' | 'isSeen'>[]; met: Focus[] }> {
  const controls: Omit<Focus, 'name' | 'isSeen'>[] = await page.evaluate(listControls);
  const met: Focus[] = [];
  await page.evaluate('document.activeElement.blur(); window.lastFocus = undefined');
  for (;;) {
    await page.keyboard.press('Tab');
    const focus: Focus | null = await page.evaluate(describeFocus);
    if (focus === null) continue;
    if (focus.tag === 'BODY' || met.length > 500) break;
    met.push(focus);
  }
  return { controls, met };
}

/**
 * Runs in the browser: texts whose contrast to their background is below what WCAG 2.2 asks for (1.4.3, level AA): 4.5, and 3 for
 * large ones.
 */
const findPale = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const read = (colour, under) => {
    canvas.fillStyle = under;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const css = (rgb) => 'rgb(' + rgb.join(',') + ')';
  const backgroundOf = (element) => {
    const under = element.parentElement === null ? 'white' : css(backgroundOf(element.parentElement));
    return read(getComputedStyle(element).backgroundColor, under);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pale = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const element = node.parentElement;
    if (node.textContent.trim() === '' || !element.checkVisibility()) continue;
    checked++;
    const style = getComputedStyle(element);
    const background = backgroundOf(element);
    const [a, b] = [luminance(background), luminance(read(style.color, css(background)))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (isLarge ? 3 : 4.5)) pale.push(node.textContent.trim() + ' ' + contrast.toFixed(2));
  }
  return { checked, pale };
})()`;

export function contrast(page: Page): Promise<{ checked: number; pale: string[] }> {
  return page.evaluate(findPale);
}
