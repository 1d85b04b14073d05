"""What the documents say is so: commands, options, names, files and links exist."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

import headstart
from headstart.cli import app

ROOT = Path(__file__).parent.parent
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").rglob("*.md"))]
HOMES = (ROOT, ROOT / "src" / "headstart", ROOT / "tests")
"""Where a file that a page names may lie."""

FENCE = re.compile(r"^ *(?P<fence>```+|~~~+)(?P<language>[\w+-]*)[^\n]*\n(?P<body>.*?)^ *(?P=fence) *$", re.M | re.S)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|<(?:img|a)[^>]*?(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
SHELL = ("", "sh", "bash", "shell", "console")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code, with its language as the page says it."""

    language: str
    body: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["language"].lower(), inspect.cleandoc(match["body"])) for match in found]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """The commands that the shell blocks of a page give to `program`, as words; without comments and redirections."""
    for block in blocks(page):
        if block.language not in SHELL:
            continue
        for line in block.body.replace("\\\n", " ").splitlines():
            # Columns in an overview are set apart with blanks: what stands behind an arrow is no part of the command.
            words = shlex.split(re.split(r"\s[→|>]\s|&&", line.removeprefix("$ "))[0], comments=True)
            if words[:1] == [program]:
                yield words[1:]


def mistake(arguments: list[str]) -> str | None:
    """What the command line finds wrong with these arguments; nothing is run."""
    program = typer.main.get_command(app)
    name, *rest = arguments or ["--help"]
    if name.startswith("-"):
        return (
            None if any(name in option.opts for option in program.params) or name in ("-h", "--help") else f"no {name}"
        )
    command = getattr(program, "commands", {}).get(name)
    if command is None:
        return f"no command {name}"
    try:
        command.make_context(name, rest)
    except typer.Exit:
        return None
    except Exception as error:  # noqa: BLE001  its class is private to typer
        return str(error)
    return None


@by_page
def test_pages_exist_and_name_real_commands_and_options(page: Path) -> None:
    wrong = [
        f"headstart {shlex.join(words)}: {said}" for words in commands(page, "headstart") if (said := mistake(words))
    ]
    assert not wrong, "\n".join(wrong)


@by_page
def test_commands_in_the_text_are_real(page: Path) -> None:
    """A command in running text may leave out its arguments, but what it names has to be there."""
    program = typer.main.get_command(app)
    wrong = []
    for code in CODE.findall(prose(page)):
        if not code.startswith("headstart "):
            continue
        name, *rest = code.split()[1:]
        command = program if name.startswith("-") else getattr(program, "commands", {}).get(name)
        options = command.params if command else []
        known = {"-h", "--help", *(flag for option in options for flag in (*option.opts, *option.secondary_opts))}
        if command is None or not {word.split("=")[0] for word in rest if word.startswith("-")} <= known:
            wrong.append(code)
    assert not wrong


@by_page
def test_make_targets_are_real(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {word for words in commands(page, "make") for word in words if not word.startswith("-") and "=" not in word}
    named |= {match[1] for code in CODE.findall(prose(page)) if (match := re.match(r"make ([\w-]+)$", code))}
    assert named <= targets


@by_page
def test_python_examples_use_what_is_there(page: Path) -> None:
    wrong = []
    for block in blocks(page):
        if block.language not in ("python", "py"):
            continue
        for node in ast.walk(ast.parse(block.body)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "headstart":
                module = __import__(str(node.module), fromlist=[alias.name for alias in node.names])
                wrong += [f"{node.module}.{alias.name}" for alias in node.names if not hasattr(module, alias.name)]
            if (
                isinstance(node, ast.Attribute)
                and ast.unparse(node.value) == "headstart"
                and node.attr not in headstart.__all__
            ):
                wrong.append(f"headstart.{node.attr}")
            elif isinstance(node, ast.Call) and re.fullmatch(r"headstart\.\w+", name := ast.unparse(node.func)):
                taken = inspect.signature(getattr(headstart, name.partition(".")[2])).parameters
                wrong += [f"{name}({keyword.arg}=)" for keyword in node.keywords if keyword.arg not in (*taken, None)]
    assert not wrong


@by_page
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for first, second in LINK.findall(prose(page)):
        target, _, anchor = (first or second).partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        there = (page.parent / target).resolve() if target else page
        if not there.exists() or not there.is_relative_to(ROOT) or (anchor and anchor not in anchors(there)):
            wrong.append(first or second)
    assert not wrong


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get where it is shown."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in plain}


@by_page
def test_files_in_the_text_exist(page: Path) -> None:
    named = {
        code for code in CODE.findall(prose(page)) if re.fullmatch(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|toml|lock)", code)
    }
    missing = {name for name in named if "NAME" not in name and not any((home / name).exists() for home in HOMES)}
    assert not missing


@by_page
def test_pages_keep_to_themselves(page: Path) -> None:
    """No path of somebody's machine, and no block that is never closed."""
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"/(?:home|root|work|Users|tmp)/\S+|\.\./shared\S*", text)
    assert len(re.findall(r"^ *```", text, re.M)) % 2 == 0


@pytest.mark.parametrize("name", sorted(set(headstart.__all__) - {"__version__"}))
def test_every_public_name_says_what_it_is(name: str) -> None:
    value = getattr(headstart, name)
    assert value.__doc__
    if not inspect.isclass(value):
        return
    for method, function in inspect.getmembers(value, inspect.isfunction):
        if not method.startswith("_") and function.__module__.startswith("headstart"):
            assert inspect.getdoc(function), f"{name}.{method}"


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert headstart.__version__ == project["version"]
    assert [package["version"] for package in locked if package["name"] == "headstart"] == [project["version"]]
    changes = re.findall(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert changes[0] == project["version"]
