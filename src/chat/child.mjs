/**
 * Renders chat templates in a process of its own, which a hostile template may take down alone: one JSON object a line
 * in, one a line out. Only a process will do: in a worker thread, one string of gigabytes ends the whole of Node.
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { strftime } from './strftime.mjs';

/** @typedef {{ milliseconds: number, characters: number }} Limits */
/** @typedef {{ id: number, template: string, variables: Record<string, unknown>, date: string, limits: Limits }} Ask */

class LimitError extends Error {}

/**
 * An interpreter that looks at the clock and at the size of everything it computes.
 * @param {Environment} environment
 * @param {Limits} limits
 */
function meteredInterpreter(environment, limits) {
  const interpreter = new Interpreter(environment);
  const evaluate = interpreter.evaluate.bind(interpreter);
  const end = performance.now() + limits.milliseconds;
  interpreter.evaluate = (/** @type {unknown} */ statement, /** @type {unknown} */ scope) => {
    // At every step: one that goes over a long list, with nothing to evaluate in it, takes milliseconds.
    if (performance.now() > end) {
      throw new LimitError(`it took longer than ${limits.milliseconds} ms`);
    }
    const found = evaluate(statement, scope);
    const { value } = found;
    if ((typeof value === 'string' || Array.isArray(value)) && value.length > limits.characters) {
      throw new LimitError(`it made a text or list longer than ${limits.characters}`);
    }
    return found;
  };
  return interpreter;
}

/** @param {Limits} limits */
function cappedRange(limits) {
  /** @param {number} first @param {number} [second] @param {number} [step] */
  return (first, second, step = 1) => {
    const [start, stop] = typeof second === 'number' ? [first, second] : [0, first];
    if (step === 0) throw new Error('range() step must not be zero');
    const length = Math.max(0, Math.ceil((stop - start) / step));
    if (length > limits.characters) throw new LimitError(`it made a list longer than ${limits.characters}`);
    return Array.from({ length }, (_, index) => start + index * step);
  };
}

/** The functions and filters that every template may use, by their names in Python. @param {string} date @param {Limits} limits */
function globals(date, limits) {
  const constants = { false: false, true: true, none: null, False: false, True: true, None: null };
  return {
    ...constants,
    range: cappedRange(limits),
    strftime_now: (/** @type {string} */ format) => strftime(new Date(`${date}T00:00:00Z`), format),
    raise_exception: (/** @type {string} */ message) => {
      throw new Error(message);
    },
  };
}

/** @type {Map<string, ReturnType<typeof parse>>} */
const parsed = new Map();

/** @param {string} template */
function parseOnce(template) {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  if (parsed.size >= 64) parsed.clear();
  const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  parsed.set(template, program);
  return program;
}

/** @param {Ask} ask */
function render({ template, variables, date, limits }) {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...globals(date, limits), ...variables })) environment.set(name, value);
  const { value } = meteredInterpreter(environment, limits).run(parseOnce(template));
  if (typeof value !== 'string') throw new Error('it renders no text');
  return value;
}

/** @param {string} line */
function answer(line) {
  const ask = JSON.parse(line);
  try {
    return { id: ask.id, text: render(ask) };
  } catch (error) {
    return { id: ask.id, reason: error instanceof Error ? error.message : String(error) };
  }
}

let waiting = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (/** @type {string} */ data) => {
  const lines = (waiting + data).split('\n');
  waiting = lines.pop() ?? '';
  for (const line of lines) process.stdout.write(`${JSON.stringify(answer(line))}\n`);
});
process.stdin.on('end', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));
