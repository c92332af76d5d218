/** Terminal colours that can be switched off: NO_COLOR, a dumb terminal, a pipe. */
import pc from 'picocolors';

export type Colours = ReturnType<typeof pc.createColors>;

/** Enables colours only on a terminal, unless NO_COLOR (https://no-color.org) or `TERM=dumb` is set. */
export function terminalColours(isTTY: boolean | undefined, environment: NodeJS.ProcessEnv = process.env): Colours {
  const refused = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  // A pipe has no isTTY, and undefined would let picocolors decide, which enables colours wherever CI is set.
  return pc.createColors(isTTY === true && !refused);
}
