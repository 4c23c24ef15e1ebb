import type { Fields, Logger } from '../../src/logger';

export interface Logged {
  level: Exclude<keyof Logger, 'child'>;
  message: string;
  fields: Fields;
}

/** A logger that records its lines. */
export function createRecordedLog(): Logger & { entries: Logged[] } {
  const entries: Logged[] = [];
  const at =
    (level: Logged['level']) =>
    (message: string, fields: Fields = {}) => {
      entries.push({ level, message, fields });
    };
  const log = { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { ...log, child: () => createRecordedLog() };
}
