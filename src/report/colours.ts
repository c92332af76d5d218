/** Terminal colours that can be switched off: NO_COLOR, a dumb terminal, a pipe. */
import pc from 'picocolors';

export type Colours = ReturnType<typeof pc.createColors>;

/** Colours for a stream: only on a terminal, and not where NO_COLOR (https://no-color.org) or `TERM=dumb` asks for none. */
export function terminalColours(isTTY: boolean | undefined, environment: NodeJS.ProcessEnv = process.env): Colours {
  const refused = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  // A pipe has no isTTY at all, and undefined would let picocolors decide: it colours wherever CI is set.
  return pc.createColors(isTTY === true && !refused);
}
