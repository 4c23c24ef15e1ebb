/** The keys that have a window, in the order in which they were last seen. */
import type { TimeRules } from './continuity';
import { RecencyMap } from './recency';
import { patience, resetRhythm } from './rhythm';
import { createSlabs } from './slab';
import type { WindowShape } from './window';
import { emptyWindow, KeyWindow, layOutRing, type RingLayout } from './window-ring';

export interface WindowLimits extends TimeRules {
  /**
   * Maximum number of keys. A further key takes the window of the key that was silent longest, if that silence is longer than
   * the time to fill a window. Otherwise it gets none: if each new key took a window, none would ever be full.
   */
  maxKeys: number;
}

/** Windows that are considered for a new key, those seen longest ago first. */
const candidates = 8;

export class KeyWindows extends RecencyMap<KeyWindow> {
  private readonly layout: RingLayout;
  private readonly takeMemory: ReturnType<typeof createSlabs>;

  /** @param onEvicted called for each window that another key takes before its time to live has passed */
  constructor(
    private readonly shape: WindowShape,
    private readonly limits: Pick<WindowLimits, 'maxKeys' | 'ttlMs'>,
    private readonly onEvicted: () => void,
  ) {
    super();
    this.layout = layOutRing(shape);
    this.takeMemory = createSlabs(this.layout.bytes);
  }

  /** The window of a key, which is now the most recently seen one; undefined if there is no room for it. */
  see(key: string, timestamp: number): KeyWindow | undefined {
    const window = this.get(key);
    if (window !== undefined) {
      this.touch(window);
      return window;
    }
    if (this.size < this.limits.maxKeys) return this.create(key);
    const free = this.takeSilent(timestamp);
    if (free === undefined) return undefined;
    free.key = key;
    this.add(free);
    return free;
  }

  create(key: string): KeyWindow {
    const window = new KeyWindow(key, this.shape, this.layout, this.takeMemory());
    this.add(window);
    return window;
  }

  /** The emptied window of the key that was silent longest, if it can be given away. */
  private takeSilent(timestamp: number): KeyWindow | undefined {
    // Checks more than the oldest window: the clock of its key may be ahead, or its records rare.
    let window = this.oldest;
    for (let i = 0; i < candidates && window !== undefined && !this.isSilent(window, timestamp); i++)
      window = i + 1 < candidates ? window.after : undefined;
    if (window === undefined) return undefined;
    if (timestamp - window.newest <= this.limits.ttlMs) this.onEvicted();
    this.delete(window);
    emptyWindow(window);
    window.newest = -Infinity;
    window.lacking = this.shape.length + 1;
    resetRhythm(window);
    return window;
  }

  private isSilent(window: KeyWindow, timestamp: number): boolean {
    // A window of one record is full with the next record, so every key may take one at once.
    const { length } = this.shape;
    return length === 1 || timestamp - window.newest > patience(window, length, this.limits.ttlMs);
  }
}
