import { describe, expect, test, vi } from 'vitest';
import * as errors from '../src/errors.js';

describe('isInstance', () => {
  test('is true for a class and its ancestors alone', () => {
    const error: unknown = errors.nativeError('WEIGHT_SHAPE', 'weight `a`: …', { weight: 'a' });
    expect(errors.ModelFolderError.isInstance(error)).toBe(true);
    expect(errors.NativeError.isInstance(error)).toBe(true);
    expect(errors.ExitRlError.isInstance(error)).toBe(true);
    expect(errors.OutOfMemoryError.isInstance(error)).toBe(false);
    expect(errors.ExitRlError.isInstance(new Error('ModelFolderError'))).toBe(false);
    expect(errors.ExitRlError.isInstance(null)).toBe(false);
  });

  test('is true for an error of another copy of the package', async () => {
    vi.resetModules();
    const copy = await import('../src/errors.js');
    expect(copy.CancelledError).not.toBe(errors.CancelledError);
    const error: unknown = new copy.CancelledError();
    expect(error instanceof errors.CancelledError).toBe(false);
    expect(errors.CancelledError.isInstance(error)).toBe(true);
    expect(errors.ModelFolderError.isInstance(error)).toBe(false);
  });
});

test('maps a native code to its class and keeps code and fields', () => {
  const error = errors.nativeError('PROMPT_TOO_LONG', 'the prompt has 9 tokens', { tokens: 9, limit: 8 });
  expect(error).toMatchObject({ name: 'PromptTooLongError', code: 'PROMPT_TOO_LONG', fields: { tokens: 9, limit: 8 } });
  expect(errors.nativeError('NEVER_HEARD_OF', 'x').name).toBe('NativeError');
  expect(new errors.ExitRlError('CHILD_FAILED', 'x').name).toBe('ExitRlError');
});

test('ConfigError reports all problems at once, with the file and the fix', () => {
  const problems = [
    { key: 'groupSiz', message: 'unknown option', hint: 'did you mean `groupSize`?' },
    { key: 'updates', message: 'must be at least 1' },
  ];
  expect(new errors.ConfigError(problems, 'run.yaml').message).toBe(
    'run.yaml: 2 problems\n  groupSiz: unknown option (did you mean `groupSize`?)\n  updates: must be at least 1',
  );
});
