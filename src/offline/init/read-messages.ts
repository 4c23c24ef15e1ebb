/** Reads the messages of a sample through the source of the proposed detector. */
import type { DetectorSettings } from '../../config/settings';
import type { Logger } from '../../logger';
import { configuredSource } from '../../sources/configured';
import type { Message } from '../../sources/source';

/** @param rows number of rows of a file to read; the newest of them are kept */
export async function readMessages(
  settings: DetectorSettings,
  rows: number,
  log: Logger,
): Promise<Message[]> {
  const { timestampFormat, timeZone } = settings.fields;
  const context = { log, folder: '', records: rows, timestampFormat, timeZone };
  const read = await configuredSource(settings.source).createHistory(context);
  const messages: Message[] = [];
  for await (const chunk of read({ from: undefined, to: undefined, maxRecords: rows }))
    messages.push(...chunk);
  return messages;
}
