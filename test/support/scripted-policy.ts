/** Creates a policy with scripted answers: only the model is replaced, the method runs unchanged. */
import type { Completion, Generated, GenerateRequest, Policy } from '../../src/policy/policy.js';
import { createRng } from '../../src/rng.js';

/** Returns the answer to a request; a text finishes with `stop`. A script that throws makes the policy fail. */
export type Script = (request: GenerateRequest, completion: number) => string | Completion;

export interface ScriptedPolicy extends Pick<Policy, 'generate'> {
  readonly requests: GenerateRequest[];
}

export function scriptedPolicy(script: Script): ScriptedPolicy {
  const requests: GenerateRequest[] = [];
  const generate = async (request: GenerateRequest): Promise<Generated> => {
    requests.push(request);
    const answers = Array.from({ length: request.n }, (_, completion) => script(request, completion));
    const completions = answers.map((answer) => (typeof answer === 'string' ? completionOf(answer) : answer));
    return { promptTokens: tokensOf(String(request.prompt)), completions };
  };
  return { generate, requests };
}

/** Answers with a digit that depends only on the request and the completion, like a real policy's answer. */
export const digitScript: Script = ({ seed, requestId }, completion) =>
  String(createRng(seed).fork('digit', requestId, completion).int(10));

export function completionOf(text: string, finishReason: Completion['finishReason'] = 'stop'): Completion {
  const tokens = tokensOf(text);
  return { text, tokens, logprobs: new Float32Array(tokens.length), finishReason };
}

const tokensOf = (text: string): Int32Array => Int32Array.from(text, (character) => character.codePointAt(0) ?? 0);
