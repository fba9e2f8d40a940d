"""The code blocks of README.md and docs/ run, and print what they say; links lead somewhere.

A fenced block marked `python` runs in a fresh namespace. A comment on the line above changes that:
`<!-- continues -->` runs it in the namespace of the block before, `<!-- not run: reason -->` leaves
it out. A `text` block below `<!-- prints -->` holds the output of the `python` block before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jitgrad import config
from tests.native import needs_native
from tests.processes import run_program

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "docs").glob("**/*.md"),
        *(ROOT / "bench").glob("*.md"),
        *(ROOT / "examples").glob("**/*.md"),
    ]
)

FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n\n?)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\((?!https?://|#)([^)#\s]+)[^)]*\)")


@dataclass
class Block:
    """A block of code, the line where it begins, and what it must print."""

    line: int
    text: str
    continues: bool
    expected: str | None = None


def blocks_of(page: Path) -> list[list[Block]]:
    """Return the code blocks of a page, those that continue one another together."""
    content = page.read_text(encoding="utf-8")
    programs: list[list[Block]] = []
    for match in FENCE.finditer(content):
        mark = match["mark"] or ""
        if match["language"] == "text" and mark == "prints":
            programs[-1][-1].expected = match["text"]
        if match["language"] != "python" or mark.startswith("not run: "):
            continue
        line = content.count("\n", 0, match.start("text")) + 1
        block = Block(line, match["text"], mark == "continues")
        if block.continues:
            programs[-1].append(block)
        else:
            programs.append([block])
    return programs


def programs() -> Iterator[Any]:
    """Yield each program of each page, named by page and line."""
    for page in PAGES:
        for blocks in blocks_of(page):
            name = f"{page.relative_to(ROOT).as_posix()}:{blocks[0].line}"
            yield pytest.param(blocks, id=name)


@pytest.mark.parametrize("blocks", list(programs()))
@needs_native
def test_code_blocks_run(
    blocks: list[Block],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in [each for each in vars(config).items() if each[0][0] != "_"]:
        # what a page sets is for that page alone
        monkeypatch.setattr(config, name, value)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        # A file, because compiling a function reads its source.
        file = tmp_path / f"line_{block.line}.py"
        file.write_text(block.text, encoding="utf-8")
        exec(compile(block.text, str(file), "exec"), namespace)
        printed = capsys.readouterr().out
        if block.expected is not None:
            assert printed == block.expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("code", page.read_text(encoding="utf-8"))):
        assert (page.parent / link).exists(), f"{page.name} links to {link}, which does not exist"


def test_the_tests_command_is_what_ci_runs() -> None:
    command = "pip install -e '.[test]' && python -m pytest"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert last == command


def test_a_block_that_fails_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\na = 1\n```\n\n<!-- continues -->\n```python\nprint(a)\n```\n\n"
        "<!-- prints -->\n```text\n1\n```\n\n<!-- not run: no -->\n```python\n1 / 0\n```\n"
    )
    ((first, second),) = blocks_of(page)
    assert (first.line, first.text, second.continues) == (2, "a = 1\n", True)
    assert second.expected == "1\n"


def test_tests_are_skipped_where_there_is_no_pytorch(tmp_path: Path) -> None:
    """Without it none is an error, and no test that needs none is left out with the others."""
    source = f"""
import os, sys
import pytest

os.chdir({str(ROOT)!r})
sys.modules["torch"] = None
names = ["ops", "nn/test_conv.py", "nn/test_module.py"]
files = [os.path.join("tests", each) for each in names]
sys.exit(pytest.main(["--collect-only", "-qq", "-n0", "-p", "no:cacheprovider", *files]))
"""
    told = run_program(tmp_path, source)
    assert "tests/ops/test_rewriting.py: " in told and "tests/nn/test_module.py: " in told
    assert "tests/ops/test_binary.py: " not in told and "tests/nn/test_conv.py: " not in told
