/** The syntax tree of a template. */

export type Expression =
  | { readonly kind: 'constant'; readonly value: null | boolean | bigint | number | string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly items: readonly (readonly [key: Expression, value: Expression])[] }
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expression; readonly key: Expression }
  | Slice
  | { readonly kind: 'call'; readonly of: Expression; readonly args: CallArguments }
  | Filter
  | { readonly kind: 'test'; readonly of: Expression; readonly name: string; readonly args: CallArguments }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'sign'; readonly operator: string; readonly of: Expression }
  | { readonly kind: 'arithmetic'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'compare';
      readonly first: Expression;
      readonly rest: readonly (readonly [operator: string, right: Expression])[];
    }
  | {
      readonly kind: 'choice';
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | undefined;
    };

export interface Slice {
  readonly kind: 'slice';
  readonly of: Expression;
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
}

export interface Filter {
  readonly kind: 'filter';
  /** Absent where the body of a block is filtered. */
  readonly of: Expression | undefined;
  readonly name: string;
  readonly args: CallArguments;
}

export interface CallArguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [name: string, value: Expression])[];
  readonly list: Expression | undefined;
  readonly dict: Expression | undefined;
}

/** A place that is assigned to. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'member'; readonly name: string; readonly attribute: string }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] };

/** The parameters of a macro; those with a default stand at the end. */
export interface Signature {
  readonly parameters: readonly string[];
  readonly defaults: readonly Expression[];
}

export interface For {
  readonly kind: 'for';
  readonly target: Target;
  readonly of: Expression;
  readonly test: Expression | undefined;
  readonly recursive: boolean;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}

export interface Macro extends Signature {
  readonly kind: 'macro';
  readonly name: string;
  readonly body: readonly Statement[];
}

/** `{% call %}`; `{% generation %}` calls nothing and prints its body. */
export interface CallBlock extends Signature {
  readonly kind: 'call-block';
  readonly call: { readonly of: Expression; readonly args: CallArguments } | undefined;
  readonly body: readonly Statement[];
}

export type Statement =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly of: Expression }
  | {
      readonly kind: 'if';
      readonly branches: readonly (readonly [test: Expression, body: readonly Statement[]])[];
      readonly otherwise: readonly Statement[];
    }
  | For
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: 'set-block';
      readonly target: Target;
      readonly filter: Filter | undefined;
      readonly body: readonly Statement[];
    }
  | {
      readonly kind: 'with';
      readonly assignments: readonly (readonly [Target, Expression])[];
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'filter-block'; readonly filter: Filter; readonly body: readonly Statement[] }
  | Macro
  | CallBlock
  | { readonly kind: 'break' | 'continue' };
