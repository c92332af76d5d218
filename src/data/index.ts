/**
 * `exit-rl/data`: loads data files of prompts, and creates a task family from them and a verifier.
 */

export {
  defaultTemplates,
  type MessagePrompt,
  type PromptContent,
  type PromptTemplates,
  promptFromMessages,
  promptFromTemplates,
} from '../prompt.js';
export { type DataLimits, defaultLimits } from './limits.js';
export { type DataSet, type DataSettings, loadData } from './load-data.js';
export {
  type PromptsOptions,
  promptsFamily,
  type RowData,
  type Verifiable,
  type Verification,
  type Verifier,
} from './prompts-family.js';
export type { DataRow } from './row.js';
