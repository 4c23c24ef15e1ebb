/** Runs before each test file. */

/** For what hangs, not for what is slow: a machine may have other work. */
jest.setTimeout(60_000);
