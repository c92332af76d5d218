/** A line on standard error for keys that nothing reads, once in a process; standard output stays JSON. */
import { expect, test } from 'vitest';
import { changeJson, copyModel } from '../support/model-folder.js';
import { missingEngine, runCli } from './support/cli.js';

test.skipIf(missingEngine !== undefined)('generate notes the ignored keys of config.json once', async () => {
  const folder = copyModel('llama-tied');
  changeJson(folder, 'config.json', { is_llama_config: true, loss_type: 'ForCausalLM' });
  const asked = ['--prompt', 'a', '--temperature', '0', '--max-new-tokens', '2', '--json'];
  const { stdout, stderr, code } = await runCli(['generate', '--model', folder, ...asked]);
  const keys = '`is_llama_config`, `loss_type`';
  const line = `note: \`${folder}/config.json\`: ${keys} are ignored, no code of this family reads them\n`;
  expect({ stderr, code }).toEqual({ stderr: line, code: 0 });
  expect(JSON.parse(stdout)).toHaveProperty('completions');
});
