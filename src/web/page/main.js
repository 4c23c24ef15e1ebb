/** The page: which view is shown, the token, and what arrives live. */
import { change, follow, token } from './api.js';
import { h } from './dom.js';
import { deviceView } from './views/device.js';
import { devicesView } from './views/devices.js';
import { eventView } from './views/event.js';
import { eventsView } from './views/events.js';
import { mutesView } from './views/mutes.js';
import { overviewView } from './views/overview.js';
import { versionsView } from './views/versions.js';
import { whatIfView } from './views/what-if.js';

const views = {
  '': overviewView,
  events: eventsView,
  event: eventView,
  devices: devicesView,
  device: deviceView,
  mutes: mutesView,
  versions: versionsView,
  'what-if': whatIfView,
};

const main = document.getElementById('main');
const notice = document.getElementById('notice');
/** Of the view that is shown. */
let leaving = new AbortController();
let onEvent;

function report(error) {
  notice.textContent = error === undefined ? '' : error.message;
  notice.hidden = error === undefined;
}

/** `#/event/a%2Fb?x=1` → ['event', 'a/b'] and the parameters. */
function readRoute() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { parts: path.split('/').map(decodeURIComponent), query: new URLSearchParams(query) };
}

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { parts, query } = readRoute();
  const [name, ...rest] = parts;
  for (const link of document.querySelectorAll('nav a')) {
    const target = link.getAttribute('href').replace(/^#\/?/, '');
    const isCurrent = target === name || (target === `${name}s` && name !== '');
    link.toggleAttribute('aria-current', isCurrent);
    if (isCurrent) link.setAttribute('aria-current', 'page');
  }
  report();
  onEvent = undefined;
  const place = h('div');
  const context = {
    place,
    parts: rest,
    query,
    signal,
    /** Shows an error, or none, while the view is shown. */
    report: (error) => failed(error),
    /**
     * Changes something, then shows the view again. Without a token, it asks for one.
     * @returns what runs on a click
     */
    changing: (method, path, body) => async () => {
      const run = async () => {
        try {
          await change(method, path, body?.());
          await show();
          // The button that was pressed is gone.
          main.focus({ preventScroll: true });
        } catch (error) {
          failed(error);
          if (error.status === 401) askForToken(run);
        }
      };
      if (token.get() === '') askForToken(run);
      else await run();
    },
    /** Calls `listener` with each event while the view is shown. */
    listen: (listener) => (onEvent = listener),
    /** Repeats while the view is shown. */
    every(ms, work) {
      const timer = setInterval(() => work().catch(failed), ms);
      signal.addEventListener('abort', () => clearInterval(timer));
    },
    setTitle: (title) => (document.title = title === '' ? 'vaemon' : `${title} – vaemon`),
  };
  const failed = (error) => {
    if (!signal.aborted) report(error);
  };
  try {
    const view = views[name];
    if (view === undefined) throw new Error('There is no such page');
    main.setAttribute('aria-busy', 'true');
    main.replaceChildren(place);
    await view(context);
  } catch (error) {
    failed(error);
  }
  if (!signal.aborted) main.setAttribute('aria-busy', 'false');
}

const dialog = document.getElementById('token-dialog');
const input = document.getElementById('token-input');
const button = document.getElementById('token');
let afterToken = show;

function showToken() {
  button.textContent = token.get() === '' ? 'Token' : 'Token set';
}
/** @param then what the person wanted to do */
function askForToken(then = show) {
  afterToken = then;
  input.value = token.get();
  dialog.returnValue = '';
  dialog.showModal();
}
button.addEventListener('click', () => askForToken());
document.getElementById('token-cancel').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
  if (dialog.returnValue !== 'use') return;
  token.set(input.value.trim());
  input.value = '';
  showToken();
  void (token.get() === '' ? show() : afterToken());
});

showToken();
window.addEventListener('hashchange', () => {
  void show();
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
});
void show();

const live = document.getElementById('live');
void follow(
  (event) => onEvent?.(event),
  (isOn) => {
    // What happened without a connection is read again, unless somebody fills in a form.
    const isTyping = main.contains(document.activeElement) && document.activeElement.matches('input, select');
    if (isOn && onEvent !== undefined && !isTyping) void show();
    live.textContent = isOn ? 'live' : 'no connection';
    live.classList.toggle('on', isOn);
  },
);
