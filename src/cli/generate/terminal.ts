/** Makes a model's text safe for a terminal. */

/** Characters that move the cursor, set colours, or change the writing direction; line ends and tabs are not among them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression matches control characters
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Removes control characters: model text is untrusted and must not control the terminal. */
export const shownText = (text: string): string => text.replaceAll(control, '');

/** Returns the text for standard output: without control characters on a terminal, unchanged in a pipe. */
export const outputText = (text: string): string => (process.stdout.isTTY ? shownText(text) : text);
