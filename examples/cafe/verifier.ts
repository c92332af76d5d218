/** Quality is the share of happy guests; the feedback is what they say. The columns of a row come by name. */
import { feedbackText, parseAnswer } from './table.js';

interface Answer {
  readonly text: string;
  readonly guests: readonly string[];
  readonly hopes: readonly string[];
}

export default function verify({ text, guests, hopes }: Answer) {
  const served = parseAnswer(guests, text);
  if (served === undefined) return { quality: 0, wellFormed: false };
  const happy = hopes.filter((drink, at) => drink === served[at]).length;
  return { quality: happy / guests.length, wellFormed: true, feedback: feedbackText(guests, hopes, served) };
}
