/** Checks a template before it is rendered, as Jinja's compiler does. */
import { JinjaError } from './budget.js';
import { filterNames, testNames } from './names.js';
import type { Expression, For, Statement, Target } from './nodes.js';

type Node = Statement | Expression;

/** All objects within a node that are nodes, found by their `kind`. */
function children(node: object): object[] {
  const values: unknown[] = Object.values(node);
  return values.flat(3).filter((value): value is object => typeof value === 'object' && value !== null);
}

const isNode = (value: object): value is Node => 'kind' in value;

/** Where a node stands. */
interface Place {
  /** Directly in a condition, where an unknown filter matters only when it is reached. */
  readonly inCondition: boolean;
  readonly inLoop: boolean;
}

const scopes = ['for', 'macro', 'call-block', 'filter-block', 'with', 'set-block'];
const functions = ['macro', 'call-block'];

function placeWithin({ kind }: Node, place: Place): Place {
  if (kind === 'if' || kind === 'choice') return { ...place, inCondition: true };
  const inCondition = scopes.includes(kind) ? false : place.inCondition;
  return { inCondition, inLoop: !functions.includes(kind) && place.inLoop };
}

function checkNode(node: Node, place: Place): void {
  if (!place.inCondition && node.kind === 'filter' && !filterNames.has(node.name))
    throw new JinjaError(`No filter named '${node.name}'.`);
  if (!place.inCondition && node.kind === 'test' && !testNames.has(node.name))
    throw new JinjaError(`No test named '${node.name}'.`);
  if ((node.kind === 'break' || node.kind === 'continue') && !place.inLoop)
    throw new JinjaError(`'${node.kind}' outside loop`);
  if (node.kind === 'for') refuseLoopName(node);
}

const assignsLoop = (target: Target): boolean =>
  target.kind === 'tuple' ? target.items.some(assignsLoop) : target.kind === 'name' && target.name === 'loop';

function refuseLoopName(loop: For): void {
  const visit = (value: object): boolean => {
    const target = 'target' in value ? (value.target as Target) : undefined;
    return (target !== undefined && assignsLoop(target)) || children(value).some(visit);
  };
  if (visit(loop)) throw new JinjaError("Can't assign to special loop variable in for-loop target");
}

function walk(value: object, place: Place): void {
  if (!isNode(value)) {
    for (const child of children(value)) walk(child, place);
    return;
  }
  checkNode(value, place);
  if (value.kind === 'for') walkLoop(value, place);
  else for (const child of children(value)) walk(child, placeWithin(value, place));
}

function walkLoop(loop: For, place: Place): void {
  walk(loop.of, place);
  if (loop.test) walk(loop.test, { ...place, inCondition: false });
  // The branch for an empty list stands behind the loop.
  for (const statement of loop.otherwise)
    walk(statement, { ...place, inCondition: false, inLoop: place.inLoop && !loop.recursive });
  for (const statement of loop.body) walk(statement, { inCondition: false, inLoop: true });
}

/** @throws JinjaError for an unknown filter or test, a break outside a loop, and an assignment to `loop` within one. */
export function checkTemplate(body: readonly Statement[]): void {
  for (const statement of body) walk(statement, { inCondition: false, inLoop: false });
}

/** The names among these that the statements use and do not assign before. */
export function usedNames(body: readonly object[], wanted: readonly string[]): ReadonlySet<string> {
  const open = new Set(wanted);
  const found = new Set<string>();
  const assign = (target: Target): void => {
    if (target.kind === 'tuple') target.items.forEach(assign);
    else if (target.kind === 'name') open.delete(target.name);
  };
  const visit = (value: object): void => {
    if ('target' in value) assign(value.target as Target);
    if ('kind' in value && value.kind === 'name' && 'name' in value && open.has(value.name as string))
      found.add(value.name as string);
    children(value).forEach(visit);
  };
  body.forEach(visit);
  return found;
}
