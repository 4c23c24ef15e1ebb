/** Clean-up after tests of daemons on a real broker. */
import { removeFolders } from '../plant';
import { endAllVaemon } from '../vaemon-process';
import type { TestBroker } from './broker';

/** Ends daemons and feeds after each test of a file, and the broker and folders after the last one. */
export function cleanUpAfterwards(broker: () => TestBroker, feeds: { close(): Promise<void> }[]): void {
  afterEach(async () => {
    await endAllVaemon();
    await Promise.all(feeds.splice(0).map((feed) => feed.close()));
  });
  afterAll(async () => {
    await broker().remove();
    await removeFolders();
  });
}
