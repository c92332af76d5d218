/** How deep values from outside are nested: what walks them calls itself, and a stack ends. */

/** Whether containers are nested more than `most` deep. */
export function isTooDeep(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return most === 0 || Object.values(value).some((child) => isTooDeep(child, most - 1));
}
