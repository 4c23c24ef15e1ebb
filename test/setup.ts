/** Runs before each test file. */

/** Long enough for a busy machine; only a test that hangs exceeds it. */
jest.setTimeout(60_000);
