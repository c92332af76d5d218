/**
 * Renders chat templates in a process of its own, which a hostile template may take down alone: one JSON object a line in,
 * one a line out. Only a process will do: in a worker thread, one string of gigabytes ends the whole of Node.
 */
import type { Budget } from './jinja/budget.js';
import { fromJson } from './jinja/json-values.js';
import { parseTemplate } from './jinja/parse-template.js';
import { renderTemplate, type Template } from './jinja/render.js';
import { Dict } from './jinja/values.js';

/** One render; `variables` is the JSON of an object. */
interface Ask {
  readonly id: number;
  readonly template: string;
  readonly variables: string;
  readonly date: string;
  readonly limits: Budget;
}

const mostParsed = 64;
const parsed = new Map<string, Template>();

function parseOnce(template: string): Template {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  if (parsed.size >= mostParsed) parsed.clear();
  const program = parseTemplate(template);
  parsed.set(template, program);
  return program;
}

function render({ template, variables, date, limits }: Ask): string {
  const values = fromJson(variables);
  if (!(values instanceof Dict)) throw new Error('the variables are not an object');
  return renderTemplate(parseOnce(template), values, new Date(`${date}T00:00:00Z`), limits);
}

function answer(line: string): object {
  const ask = JSON.parse(line) as Ask;
  try {
    return { id: ask.id, text: render(ask) };
  } catch (error) {
    return { id: ask.id, reason: error instanceof Error ? error.message : String(error) };
  }
}

let waiting = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (data: string) => {
  const lines = (waiting + data).split('\n');
  waiting = lines.pop() ?? '';
  for (const line of lines) process.stdout.write(`${JSON.stringify(answer(line))}\n`);
});
process.stdin.on('end', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));
