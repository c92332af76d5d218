/** Quality is the share of dishes that the guest hoped for; the feedback is the guest's. Columns arrive by name. */
import { feedbackText, parseAnswer } from './table.js';

interface Answer {
  readonly text: string;
  readonly courses: readonly string[];
  readonly hopes: readonly string[];
}

export default function verify({ text, courses, hopes }: Answer) {
  const served = parseAnswer(courses, text);
  if (served === undefined) return { quality: 0, wellFormed: false };
  const right = hopes.filter((dish, at) => dish === served[at]).length;
  return { quality: right / courses.length, wellFormed: true, feedback: feedbackText(hopes, served) };
}
