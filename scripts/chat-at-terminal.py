"""Drives `exit-rl generate --chat` through a pseudo-terminal, as a person at the keyboard would, and checks what is seen.

    python scripts/chat-at-terminal.py        # after a build; Linux, standard library only, about ten seconds
"""

import os
import pty
import select
import signal
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMMAND = ["node", "dist/cli/main.js", "generate", "--chat", "--model", "models/cafe", "--threads", "1"]
PROMPT = b"> \x1b[3G"
CTRL_C, CTRL_D, BACKSPACE = b"\x03", b"\x04", b"\x7f"


class Terminal:
    def __init__(self, *flags):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvp("node", [*COMMAND, *flags])
        self.seen = b""

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        try:
            fresh = os.read(self.fd, 65536) if ready else b""
        except OSError:  # the other side is closed
            return False
        self.seen += fresh
        return bool(fresh) or not ready

    def until(self, text, times=1):
        """Reads until `text` was seen so often since the last keys."""
        end = time.time() + 30
        while self.seen.count(text) < times:
            if time.time() > end or not self.read(0.2):
                sys.exit(f"{text!r} was not seen {times} times in {self.seen!r}")

    def keys(self, keys):
        self.seen = b""
        os.write(self.fd, keys)

    def ends(self, code):
        end = time.time() + 10
        while time.time() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                found = os.waitstatus_to_exitcode(status)
                return found == code or sys.exit(f"exit code {found}, not {code}: {self.seen!r}")
        os.kill(self.pid, signal.SIGKILL)
        sys.exit(f"it did not end: {self.seen!r}")


def check(name, act, *flags):
    terminal = Terminal(*(flags or ["--max-new-tokens=24"]))
    terminal.until(PROMPT)
    act(terminal)
    print(f"ok: {name}")


def answers(terminal):
    terminal.keys("Grüße, what can I order?x".encode() + BACKSPACE + b"\r")
    terminal.until(PROMPT)
    assert "Grüße".encode() in terminal.seen
    terminal.keys(b"/exit\r")
    terminal.ends(0)


def leaves_with(keys, code):
    def act(terminal):
        terminal.keys(keys)
        terminal.ends(code)

    return act


def stops(terminal):
    terminal.keys(b"Tell me all\r")
    terminal.until(b"\n")
    terminal.keys(CTRL_C)
    terminal.until(b"(stopped)")
    terminal.until(PROMPT)
    terminal.keys(b"/exit\r")
    terminal.ends(0)


def pastes(terminal):
    terminal.keys(b"first\rsecond\rthird\r")
    # One question after each of the three answers.
    terminal.until(PROMPT, 3)
    terminal.keys(b"/exit\r")
    terminal.ends(0)


def too_long(terminal):
    for _ in range(3):
        terminal.keys(b"w " * 400)
        terminal.until(b"w w")
    terminal.keys(b"\r")
    terminal.until(b"tokens and the context holds")
    terminal.until(PROMPT)
    terminal.keys(b"/exit\r")
    terminal.ends(0)


check("an answer, umlauts, backspace, /exit", answers)
check("Ctrl-D leaves with 0", leaves_with(CTRL_D, 0))
check("Ctrl-C at the prompt leaves with 130", leaves_with(CTRL_C, 130))
check("Ctrl-C with half a line leaves with 130", leaves_with(b"half a li" + CTRL_C, 130))
check("Ctrl-C stops an answer, and the conversation goes on", stops, "--max-new-tokens=300", "--temperature=3")
check("pasted lines are answered one after the other", pastes)
check("a message that does not fit is taken back", too_long)
