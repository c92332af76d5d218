"""Chat templates as transformers renders them: the rows of test/world/template.

Expressions by kind, and every template of TRL's wheel over several conversations. A template that Python refuses has an
`error` in the place of its text: the product must refuse it too.
"""

import json
from datetime import datetime
from pathlib import Path

import jinja2
import transformers
import trl
from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import _compile_jinja_template, _normalize_chat_messages, render_jinja_template

from template_expressions import KINDS, VARIABLES
from template_random import Expressions

ROOT = Path(__file__).resolve().parents[3]
ROWS = ROOT / "test" / "world" / "template"
SCRIPT = "scripts/goldens/world/templates.py"
VERSIONS = f"transformers {transformers.__version__} with Jinja {jinja2.__version__}"
DAY = datetime(2024, 7, 26)


class Clock(datetime):
    """The day that templates print."""

    @classmethod
    def now(cls, tz=None):
        return DAY


chat_template_utils.datetime = Clock


def write(name, source, given, expect):
    row = {"source": source, "script": SCRIPT, "input": given, "expect": expect}
    (ROWS / f"{name}.json").write_text(json.dumps(row, ensure_ascii=False, indent=1) + "\n")


def rendered(template, variables):
    try:
        return {"text": _compile_jinja_template(template).render(**variables)}
    except Exception as error:  # whatever Python raises: the product must refuse the template
        return {"error": f"{type(error).__name__}: {error}".split("\n")[0]}


def call(id, name, arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city: \"now\" & <soon>, in °C.\nGröße 天气",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "A city's name"},
                "days": {"type": "integer", "minimum": 1, "default": 3},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "exact": {"type": ["boolean", "null"], "default": False, "limit": 0.25},
                "places": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
            },
            "required": ["city"],
        },
        "return": {"type": "string"},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "", "parameters": {"type": "object", "properties": {}}}}
ARGUMENTS = {"city": "São Paulo", "days": 2, "exact": True, "none": None, "nested": {"a": [1, True, None, "ü\n\"q\""], "b": 0.5}}


def user(content):
    return {"role": "user", "content": content}


def assistant(content=None, **others):
    return {"role": "assistant", "content": content, **others}


TURNS = [{"role": "system", "content": "Be brief. 🙏"}, user("2+2?"), assistant("4"), user(" And\n3+3? ")]
CALLS = [
    user("Weather?"),
    assistant(tool_calls=[call("abc123def", "get_weather", ARGUMENTS)]),
    {"role": "tool", "name": "get_weather", "tool_call_id": "abc123def", "content": "{\"temp\": 21.5}"},
    assistant("It is 21.5 °C."),
    user("Thanks"),
]
TWO_CALLS = [
    {"role": "system", "content": "Use tools."},
    user("Both?"),
    assistant("Let me look.", reasoning_content="Two tools.\n", tool_calls=[call("call00001", "get_weather", ARGUMENTS), call("call00002", "clock", {})]),
    {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "rain"},
    {"role": "tool", "name": "clock", "tool_call_id": "call00002", "content": "13:00"},
]
THINKING = [user("2+2?"), assistant("It is 4.", reasoning_content="\nTwo and two.\n"), user("Sure?"), assistant("Yes.", thinking="Counted.")]
INLINE = [user("2+2?"), assistant("<think>\nTwo and two.\n</think>\n\nIt is 4."), user("Sure?"), assistant("<think>\nhm\n</think>\n\nYes.")]
CONVERSATIONS = [
    ("user", [user("Hello, who are you?")], {"add_generation_prompt": True}),
    ("turns", TURNS, {"add_generation_prompt": True}),
    ("turns, no prompt", TURNS, {}),
    ("developer", [{"role": "developer", "content": "Be brief."}, user("Hi")], {"add_generation_prompt": True}),
    ("tools offered", TURNS, {"add_generation_prompt": True, "tools": [WEATHER, CLOCK]}),
    ("a call", CALLS, {"add_generation_prompt": True, "tools": [WEATHER]}),
    ("two calls", TWO_CALLS, {"add_generation_prompt": True, "tools": [WEATHER, CLOCK]}),
    ("thinking", THINKING, {}),
    ("thinking, off", THINKING[:3], {"add_generation_prompt": True, "enable_thinking": False}),
    ("thinking in the text", INLINE, {}),
    ("continued", INLINE[:2], {"continue_final_message": True}),
    ("empty", [user(""), assistant(""), user("")], {"add_generation_prompt": True}),
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def conversation(template, name, messages, options):
    row = {"name": name, "messages": messages, "options": options}
    chat = _normalize_chat_messages(json.loads(json.dumps(messages)))
    try:
        [text], _ = render_jinja_template([chat], chat_template=template, date_string="26 Jul 2024", **TOKENS, **options)
        return row, {"text": text}
    except Exception as error:
        return row, {"error": f"{type(error).__name__}: {error}".split("\n")[0]}


def write_random(seed):
    expressions = Expressions(seed)
    templates = [expressions.template() for _ in range(250)]
    # Python's filter `indent` changes a list that it is given.
    results = [(template, rendered(template, json.loads(json.dumps(VARIABLES)))) for template in templates]
    kept = [(template, result) for template, result in results if " at 0x" not in result.get("text", "") and len(str(result)) < 2000]
    source = f"Random expressions (template_random.py, seed {seed}), as {VERSIONS} renders them."
    given = {"templates": [template for template, _ in kept], "variables": json.dumps(VARIABLES, ensure_ascii=False)}
    write(f"random-{seed}", source, given, [result for _, result in kept])


def main():
    ROWS.mkdir(parents=True, exist_ok=True)
    for old in ROWS.glob("*.json"):
        old.unlink()
    count = 0
    for kind, templates in KINDS.items():
        count += len(templates)
        results = [rendered(template, VARIABLES) for template in templates]
        for template, result in zip(templates, results):
            if "error" in result and "refused" not in kind:
                print(kind, json.dumps(template), result["error"])
        source = f"Expressions of chat templates, as {VERSIONS} renders them."
        write(f"expression-{kind}", source, {"templates": templates, "variables": json.dumps(VARIABLES, ensure_ascii=False)}, results)
    print(count, "expressions in", len(KINDS), "kinds")
    for seed in range(4):
        write_random(seed)
    for file in sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja")):
        template = file.read_text()
        rows = [conversation(template, *one) for one in CONVERSATIONS]
        source = f"{file.name} of TRL {trl.__version__} (Apache-2.0), as {VERSIONS} renders it."
        given = {"template": template, "tokens": TOKENS, "conversations": [row for row, _ in rows]}
        write(f"trl-{file.stem.replace('_', '-')}", source, given, [result for _, result in rows])


if __name__ == "__main__":
    main()
