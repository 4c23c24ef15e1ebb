/** More sequences than versions.test.ts. */
import { testVersionChanges } from './version-changes';

testVersionChanges(80);
