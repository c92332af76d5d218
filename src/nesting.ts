/** Limits the nesting of untrusted values: the functions that walk them are recursive, and the stack is finite. */

/** True when containers are nested more than `most` deep. */
export function isTooDeep(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return most === 0 || Object.values(value).some((child) => isTooDeep(child, most - 1));
}
