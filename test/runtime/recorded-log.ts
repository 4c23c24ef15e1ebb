import type { LifecycleLog } from '../../src/runtime/log';

export interface Logged {
  level: keyof LifecycleLog;
  message: string;
  fields: Record<string, unknown>;
}

/** A log that keeps what it is told. */
export function createRecordedLog(): LifecycleLog & { entries: Logged[] } {
  const entries: Logged[] = [];
  const at = (level: Logged['level']) => (message: string, fields: Record<string, unknown>) => {
    entries.push({ level, message, fields });
  };
  return { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
