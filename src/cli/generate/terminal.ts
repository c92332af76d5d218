/** What a model wrote, as a terminal may show it. */

/** Everything that moves the cursor, colours, or turns the direction of writing; line ends and tabs stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Model text is untrusted: without control characters it cannot drive the terminal. */
export const shownText = (text: string): string => text.replaceAll(control, '');

/** The text as it goes to standard output: shown to a person without control characters, piped as it is. */
export const outputText = (text: string): string => (process.stdout.isTTY ? shownText(text) : text);
