"""Messages as transformers shows them to a chat template: the rows of test/world/message.

A row of a message that has no text names the problem that the product must report. Where transformers leaves a form to the
caller (parts of texts, arguments as JSON text), the value is that of the parsed form, as vLLM reads it.
"""

import json
from pathlib import Path

import jinja2
import transformers
from transformers.utils.chat_template_utils import _normalize_chat_messages, render_jinja_template

ROOT = Path(__file__).resolve().parents[3]
ROWS = ROOT / "test" / "world" / "message"
SCRIPT = "scripts/goldens/world/messages.py"
TRANSFORMERS = f"transformers {transformers.__version__} with Jinja {jinja2.__version__}"
ALL = "{% for message in messages %}{{ message }}\n{{ message | tojson }}\n{% endfor %}"
CHATML = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% for call in message.tool_calls or [] %}"
    "[{{ call.id }} {{ call.function.name }} {{ call.function.arguments | tojson }}]{% endfor %}{% endfor %}"
)
USER = {"role": "user", "content": "Hi"}


def calls(arguments, **others):
    return [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}, **others}]


def assistant(**keys):
    return {"role": "assistant", **keys}


# name: (source, messages of the file, messages as the caller of transformers gives them where these differ, template)
TEXTS = {
    "reasoning-content": ("Qwen3 and DeepSeek-R1 in OpenAI-compatible servers", [USER, assistant(content="4", reasoning_content="2+2")], None, ALL),
    "thinking-named-reasoning": ("OpenRouter's responses", [USER, assistant(content="4", reasoning="2+2")], None, ALL),
    "thinking-of-gpt-oss": ("gpt-oss's data", [USER, assistant(content="4", thinking="2+2")], None, ALL),
    "ids-of-calls": ("Mistral's templates ask for the ids", [USER, assistant(content="", tool_calls=calls({"a": 1})), {"role": "tool", "content": "ok", "tool_call_id": "call_1", "name": "f"}], None, ALL),
    "content-null": ("OpenAI's responses with tool calls", [USER, assistant(content=None, tool_calls=calls({}))], None, CHATML),
    "content-absent": ("TRL's data of tool calls", [USER, assistant(tool_calls=calls({"x": [1, None]}))], None, CHATML),
    "keys-null": ("OpenAI's SDK, model_dump()", [USER, assistant(content="a", refusal=None, tool_calls=None, function_call=None, audio=None)], None, ALL),
    "arguments-as-text": ("OpenAI's API sends JSON text", [USER, assistant(content=None, tool_calls=calls('{"city": "São Paulo", "n": 1.0}'))], [USER, assistant(tool_calls=calls({"city": "São Paulo", "n": 1.0}))], CHATML),
    "arguments-empty-text": ("llama.cpp sends an empty text for a call without arguments", [USER, assistant(tool_calls=calls(""))], [USER, assistant(tool_calls=calls({}))], CHATML),
    "arguments-of-many-digits": ("64-bit ids in calls", [USER, assistant(tool_calls=calls({"id": 12345678901234567891, "f": 1.0, "e": 1e-7}))], None, CHATML),
    "arguments-text-of-many-digits": ("64-bit ids in calls", [USER, assistant(tool_calls=calls('{"id": 9007199254740993}'))], [USER, assistant(tool_calls=calls({"id": 9007199254740993}))], CHATML),
    "calls-without-function": ("TRL's docs: {name, arguments}", [USER, assistant(tool_calls=[{"name": "f", "arguments": {"a": 1}}])], None, ALL),
    "parts-of-texts": ("OpenAI's API: content as a list of parts", [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": " b"}]}], [{"role": "user", "content": "a b"}], ALL),
    "one-part": ("TRL's prepare_multimodal_messages", [{"role": "user", "content": [{"type": "text", "text": "a"}]}], [{"role": "user", "content": "a"}], ALL),
    "no-parts": ("an empty list of parts", [{"role": "user", "content": []}], [{"role": "user", "content": ""}], ALL),
    "developer": ("OpenAI's o1 and later", [{"role": "developer", "content": "Be brief."}, USER], None, ALL),
    "role-ipython": ("Llama 3's role of tool results", [USER, {"role": "ipython", "content": "ok"}], None, ALL),
    "role-of-ones-own": ("data of multi-agent runs", [{"role": "critic", "content": "no", "weight": 0.5}], None, ALL),
    "keys-of-ones-own": ("data with notes", [{"role": "user", "content": "a", "__proto__": {"x": 1}, "constructor": 2, "date": "2024-07-26", "ok": True}], None, ALL),
    "order-of-keys": ("content before role", [{"content": "a", "name": "Bo", "role": "user"}], None, ALL),
    "unicode": ("texts of any script", [{"role": "user", "content": "😀\u200d é ﷽ \u2028 \\ \" '"}], None, ALL),
}

# name: (source, messages, the problem's place, a part of its reason)
PROBLEMS = {
    "part-of-an-image": ("OpenAI's API: image_url", [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]}], "message 1 (user): `content[1]`", "image_url"),
    "part-of-a-sound": ("OpenAI's API: input_audio", [USER, assistant(content="b"), {"role": "user", "content": [{"type": "input_audio"}]}], "message 3 (user): `content[0]`", "input_audio"),
    "content-number": ("a number of a data file", [{"role": "user", "content": 7}], "message 1 (user): `content`", "not 7"),
    "content-object": ("an object as content", [{"role": "user", "content": {"text": "a"}}], "message 1 (user): `content`", "an object"),
    "content-null-of-a-user": ("a missing cell", [{"role": "user", "content": None}], "message 1 (user): `content`", "is null"),
    "content-absent-of-an-assistant": ("an empty turn", [USER, assistant()], "message 2 (assistant): `content`", "is missing"),
    "role-absent": ("ShareGPT's from and value", [{"from": "human", "value": "a"}], "message 1: `role`", "is missing"),
    "role-misspelt": ("a slip", [{"role": "asistant", "content": "a"}], "message 1 (asistant): `role`", "assistant"),
    "role-number": ("a role that is not a text", [{"role": 1, "content": "a"}], "message 1: `role`", "not 1"),
    "message-text": ("a list of texts", ["a"], "message 1", "must be an object"),
    "arguments-not-json": ("a call that was cut short", [USER, assistant(tool_calls=calls('{"a": '))], "message 2 (assistant): `tool_calls[0].function.arguments`", "is not JSON"),
    "arguments-list": ("arguments by position", [USER, assistant(tool_calls=calls([1]))], "message 2 (assistant): `tool_calls[0].function.arguments`", "a list"),
    "calls-text": ("calls as a text", [USER, assistant(tool_calls="f()")], "message 2 (assistant): `tool_calls`", "must be a list"),
    "call-without-name": ("a call without a name", [USER, assistant(tool_calls=[{"function": {"arguments": {}}}])], "message 2 (assistant): `tool_calls[0].function.name`", "must be a text"),
    "tokens-of-a-user": ("ids belong to the assistant", [{"role": "user", "content": "a", "tokens": [1]}], "message 1 (user): `tokens`", "assistant"),
}


def write(name, source, messages, expect, template=None):
    given = {"messages": json.dumps(messages, ensure_ascii=False), **({"template": template} if template else {})}
    row = {"source": source, "script": SCRIPT, "input": given, "expect": expect}
    (ROWS / f"{name}.json").write_text(json.dumps(row, ensure_ascii=False, indent=1) + "\n")


def main():
    ROWS.mkdir(parents=True, exist_ok=True)
    for name, (source, messages, as_given, template) in TEXTS.items():
        chat = _normalize_chat_messages(json.loads(json.dumps(as_given or messages)))
        [text], _ = render_jinja_template([chat], chat_template=template)
        write(name, f"{source}; the text is that of {TRANSFORMERS}.", messages, {"text": text}, template)
    for name, (source, messages, place, reason) in PROBLEMS.items():
        write(name, f"{source}; it has no text for a template.", messages, {"place": place, "reason": reason})
    print(len(TEXTS) + len(PROBLEMS), "messages")


if __name__ == "__main__":
    main()
