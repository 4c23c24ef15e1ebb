/** What a test computes on. */
import { openSession, type OpenSession } from '../src/onnx/session';
import { openBackend, type BackendChoice, type BackendName } from '../src/tensor';

/** The one that the test wants, unless VAEMON_TEST_BACKEND names another: all of them must do the same. */
export function openTestBackend(usual: BackendName): Promise<BackendChoice> {
  return openBackend((process.env['VAEMON_TEST_BACKEND'] as BackendName | undefined) ?? usual);
}

/** What trains and calibrates: ONNX Runtime, as usual; where a backend is named that backend. */
export const testEngine: { openTraining?: OpenSession; openScoring?: OpenSession } =
  process.env['VAEMON_TEST_BACKEND'] === undefined
    ? { openTraining: openSession, openScoring: openSession }
    : {};
