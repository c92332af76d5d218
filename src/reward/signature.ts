/** Recognises functions with the parameters of TRL's reward functions, which get lists in several arguments. */

type Call = (...given: never) => unknown;

const separate = /^(prompts?|completions?|responses?|answers?|samples?|texts?|completion_ids|ground_truth|kwargs)$/;

/** The names of a function's parameters; a destructured one is an empty text. */
function parameterNames(call: Call): readonly string[] {
  const text = Function.prototype.toString.call(call).replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
  const [, single, list] =
    /^(?:async\s*)?(?:function\s*\*?\s*[\w$]*\s*)?(?:([\w$]+)\s*=>|[\w$]*\s*\(([^)]*)\))/.exec(text) ?? [];
  if (single !== undefined) return [single];
  return (list ?? '').split(',').map((one) => /^\s*([\w$]+)\s*(=|$)/.exec(one)?.[1] ?? '');
}

/** The functions that call another one, whose parameters count. */
const known = new WeakMap<Call, string>();

/** Gives a function that calls another one the hint of that one. */
export function withHint<Around extends Call>(around: Around, hint: string): Around {
  known.set(around, hint);
  return around;
}

/** Returns the end of a message about a function that failed: how to write it, where its parameters are those of TRL. */
export function signatureHint(call: Call): string {
  const given = known.get(call);
  if (given !== undefined) return given;
  const [first = '', ...others] = parameterNames(call);
  const isSeparate = separate.test(first) || (first !== '' && others.some((name) => separate.test(name)));
  if (!isSeparate) return '';
  const names = [first, ...others].filter((name) => name !== '' && name !== 'kwargs').join(', ');
  return `; functions get one object: write ({ ${names} }) => … in place of (${[first, ...others].filter(Boolean).join(', ')})`;
}
