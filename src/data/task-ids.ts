/** Names of a data set's tasks, from which their random streams follow. */
import type { DataRow } from './row.js';

const isId = (id: unknown): id is string | number => (typeof id === 'string' && id !== '') || Number.isSafeInteger(id);

/**
 * The ids of a split's tasks: the rows' column `id`, so that a shuffled or cut file has the same tasks, where every row has a
 * text or a whole number there and no two the same; else the rows' places, from 1.
 */
export function taskIds(split: string, rows: readonly DataRow[]): readonly string[] {
  const ids = rows.map(({ columns }) => (Object.hasOwn(columns, 'id') ? columns.id : undefined));
  const areNames = ids.every(isId) && new Set(ids.map(String)).size === ids.length;
  return rows.map((_, at) => `${split}-${areNames ? String(ids[at]) : at + 1}`);
}
