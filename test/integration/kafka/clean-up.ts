/** What the tests of daemons on a real broker have to take down again. */
import { removeFolders } from '../plant';
import { endAllVaemon } from '../vaemon-process';
import type { TestBroker } from './broker';

/** After each test of a file the daemons end, and what feeds them; after the last one its broker and folders go. */
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
