/** Templates from anywhere: each failure is an error of the render that met it, soon, and the next render works. */
import { afterEach, describe, expect, test } from 'vitest';
import { TemplateRenderer } from '../../src/chat/renderer.js';
import { ChatTemplateError } from '../../src/errors.js';

const limits = { milliseconds: 1_000, characters: 1 << 20, mebibytes: 64 };
let renderer = new TemplateRenderer(limits);

afterEach(() => {
  renderer.close();
  renderer = new TemplateRenderer(limits);
});

const render = (template: string, variables: Record<string, unknown> = {}): Promise<string> =>
  renderer.render({ template, variables, source: 'folder/chat_template.jinja', date: '2024-07-26' });

const doubled = (times: number): string => `${'{% set ns.x = ns.x + ns.x %}'.repeat(times)}`;
const namespaced = (body: string): string => `{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}${body}`;

const hostile: readonly (readonly [string, string])[] = [
  ['loops within loops', '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'],
  ['a list of all numbers', '{% for a in range(999999999999) %}{% endfor %}'],
  ['a text of gigabytes', namespaced(`${doubled(40)}{{ ns.x }}`)],
  ['gigabytes within one builtin', namespaced(`${doubled(15)}{{ ns.x | replace('a', ns.x) | upper | length }}`)],
  [
    'gigabytes of JSON',
    `{% set ns = namespace(x=[1]) %}${'{% set ns.x = [ns.x, ns.x] %}'.repeat(40)}{{ ns.x | tojson }}`,
  ],
  ['a macro without end', '{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}'],
  ['nesting without end', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`],
  ['a long output', '{% for a in range(99999) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}'],
];

describe('a hostile template', () => {
  test.each(hostile)(
    '%s: a typed error that names the file, and life goes on',
    async (_name, template) => {
      await render('warm');
      const before = { time: performance.now(), cpu: process.cpuUsage() };
      const error: unknown = await render(template).catch((reason: unknown) => reason);
      const { user, system } = process.cpuUsage(before.cpu);
      expect(error).toBeInstanceOf(ChatTemplateError);
      expect((error as ChatTemplateError).message).toContain('folder/chat_template.jinja');
      expect(performance.now() - before.time).toBeLessThan(limits.milliseconds + 14_000);
      // Whatever the template does, this process only waits.
      expect((user + system) / 1000).toBeLessThan(250);
      expect(await render('{{ x }} still', { x: 'here' })).toBe('here still');
    },
    40_000,
  );

  test('hits its time limit soon, even in an empty loop', async () => {
    await render('warm');
    const began = performance.now();
    await expect(render(hostile[0]?.[1] ?? '')).rejects.toThrow(/took longer than 1000 ms/);
    expect(performance.now() - began).toBeLessThan(5_000);
  }, 40_000);

  test.each([
    "{{ ''.constructor.constructor('return process.exit(3)')() }}",
    "{{ messages.constructor.constructor('return process')().exit(3) }}",
    "{{ range.constructor('return process.exit(3)')() }}",
    '{{ messages.__proto__.polluted }}{{ strftime_now.caller }}{{ range.__proto__ }}',
    "{% set messages.__proto__ = {'polluted': 1} %}{{ process }}{{ globalThis }}{{ require }}",
  ])('reaches nothing of JavaScript: %s', async (template) => {
    const before = await render("{{ 'same process' }}");
    const answer: unknown = await render(template, { messages: [] }).catch((error: unknown) => error);
    const refused = ChatTemplateError.isInstance(answer);
    expect(refused || /^(undefined|null|\[\]|\{\})*$/.test(String(answer)), String(answer)).toBe(true);
    // An exit of its own would be told as memory that ran out.
    expect(String(answer)).not.toMatch(/MiB of memory|longer than/);
    expect(await render('{{ {}.polluted }}{{ x }}', { x: before })).toBe(before);
  });

  test('fails alone: concurrent renders are answered', async () => {
    const [bad, ...good] = await Promise.allSettled([
      render(hostile[3]?.[1] ?? ''),
      ...Array.from({ length: 20 }, (_, at) => render('{{ at }}', { at: String(at) })),
    ]);
    expect(bad?.status).toBe('rejected');
    expect(good.map((one) => one.status === 'fulfilled' && one.value)).toEqual(good.map((_, at) => String(at)));
  }, 40_000);

  test('`self`, which prints in Jinja, is refused unless the template sets it', async () => {
    await expect(render('{{ self }}')).rejects.toThrow('`self` is not supported');
    expect(await render('{% set self = 1 %}{{ self }}')).toBe('1');
  });

  test("reports a refusal in the template's own words", async () => {
    await expect(render("{{ raise_exception('roles must alternate') }}")).rejects.toThrow(/roles must alternate/);
  });

  test.each(['{{ messages', '{% for %}', '{% endif %}'])(
    'is refused where it is not a template: %s',
    async (template) => {
      await expect(render(template)).rejects.toThrow(ChatTemplateError);
    },
  );
});

describe('an honest template', () => {
  test('sees the fixed day', async () => {
    const text = await render("{{ strftime_now('%d %b %Y') }} · {{ strftime_now('%A %-d') }}").catch(String);
    expect(text).toMatch(/directive %- is not known/);
    expect(await render("{{ strftime_now('%d %b %Y, %A, %H:%M %j') }}")).toBe('26 Jul 2024, Friday, 00:00 208');
  });

  test('is rendered once for equal requests', async () => {
    expect(await render('{{ a }}', { a: 1 })).toBe('1');
    renderer.close();
    const again = render('{{ a }}', { a: 1 });
    expect(await Promise.race([again, Promise.resolve('not at once')])).toBeDefined();
    expect(await again).toBe('1');
  });

  test("keeps line separators and lone surrogates out of the protocol's lines", async () => {
    const text = 'a\u2028b\u2029c\nd\r\n\u0000"\\';
    expect(await render('{{ text }}', { text })).toBe(text);
  });
});
