"""Command lines as tables, read without argparse as long as they are plain.

Importing argparse takes longer than a whole submit. The quick reader takes options spelt in
full; whatever else comes (abbreviations, joined short options, errors, --help) is given to an
argparse parser made from the same table, which decides and words the answer.
"""

from __future__ import annotations

from pdagent.event import EventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from typing import Any, NoReturn

VALUE, FLAG, REPEAT, MAYBE = "value", "flag", "repeat", "maybe"


class Option:
    """One option: its spellings, what it holds, and its line in the help.

    `form` is VALUE (one word), FLAG, REPEAT (collects words) or MAYBE (a word may follow;
    `without` is the value if none does).
    """

    __slots__ = ("choices", "dest", "flags", "form", "help", "metavar", "required", "without")

    def __init__(
        self,
        *flags: str,
        help: str,
        form: str = VALUE,
        metavar: str | None = None,
        choices: tuple[str, ...] = (),
        without: str = "",
        required: bool = False,
    ) -> None:
        """Describe the option; its attribute is the last flag with _ for -."""
        self.flags = flags
        self.help = help
        self.form = form
        self.metavar = metavar
        self.choices = choices
        self.without = without
        self.required = required
        self.dest = flags[-1].lstrip("-").replace("-", "_")

    @property
    def absent(self) -> Any:
        """The value when the option is not given."""
        return {FLAG: False, REPEAT: []}.get(self.form)


class Arguments:
    """What was given, one attribute an option."""

    def __init__(self, values: dict[str, Any]) -> None:
        """Take the values by attribute name."""
        self.__dict__.update(values)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Tell the type checker that the attributes come from the table."""


CONFIG = Option(
    "--config",
    metavar="FILE",
    help="settings file (or PDAGENT_CONFIG; default: /etc/pdagent.conf)",
)


class Command:
    """A command line: name, options, positional words, and the text around its help."""

    def __init__(
        self,
        name: str,
        options: tuple[Option, ...],
        *,
        description: str,
        epilog: str = "",
        words: tuple[str, ...] = (),
    ) -> None:
        """Describe the command; `words` are the positional arguments, taken verbatim."""
        self.name = name
        self.options = (*options, CONFIG)
        self.description = description
        self.epilog = epilog
        self.words = words

    def parse(self, argv: list[str]) -> Arguments:
        """Read `argv`; ends the process after --help, --version (0) and errors (2)."""
        values = self._quick(argv)
        if values is None:
            values = vars(self.parser().parse_args(self._shielded(argv)))
        return Arguments(values)

    def usage_error(self, message: str) -> NoReturn:
        """End the process with the usage and `message` on standard error, exit code 2."""
        self.parser().error(message)

    def parser(self) -> ArgumentParser:
        """Return the argparse parser of this table: also the source for manual and completion."""
        from argparse import RawDescriptionHelpFormatter

        from pdagent import __version__
        from pdagent.commands.parser import Parser

        parser = Parser(
            prog=self.name,
            description=self.description,
            epilog=self.epilog,
            formatter_class=RawDescriptionHelpFormatter,
        )
        parser.add_argument("--version", action="version", version=f"{self.name} {__version__}")
        for option in self.options:
            parser.add_argument(*option.flags, dest=option.dest, **_argparse_form(option))
        for word in self.words:
            parser.add_argument(word)
        if self.words:
            parser.add_argument("ignored", nargs="*", default=[], help="further words are ignored")
        return parser

    def _quick(self, argv: list[str]) -> dict[str, Any] | None:
        """Return the values of a plain command line, or None where argparse must decide."""
        by_flag = {flag: option for option in self.options for flag in option.flags}
        values = {option.dest: option.absent for option in self.options}
        rest = argv[::-1]
        while rest and rest[-1].startswith("-"):
            flag, joined, value = rest.pop().partition("=")
            option = by_flag.get(flag)
            if option is None or (joined and (option.form == FLAG or not flag.startswith("--"))):
                return None
            if option.form == FLAG:
                values[option.dest] = True
                continue
            if not joined:
                follows = bool(rest) and (rest[-1] == "-" or not rest[-1].startswith("-"))
                if not follows and option.form != MAYBE:
                    return None
                value = rest.pop() if follows else option.without
            if option.choices and value not in option.choices:
                return None
            if option.form == REPEAT:
                values[option.dest].append(value)
            else:
                values[option.dest] = value
        if any(option.required and values[option.dest] is None for option in self.options):
            return None
        return self._with_words(values, rest[::-1])

    def _with_words(self, values: dict[str, Any], words: list[str]) -> dict[str, Any] | None:
        count = len(self.words)
        if len(words) < count or (words and not count):
            return None
        values.update(zip(self.words, words))
        if count:
            values["ignored"] = words[count:]
        return values

    def _shielded(self, argv: list[str]) -> list[str]:
        """Keep argparse from reading options in positional words, which are verbatim."""
        if self.words and argv and not argv[0].startswith("-"):
            return ["--", *argv]
        return argv


def _argparse_form(option: Option) -> dict[str, Any]:
    form: dict[str, Any] = {"help": option.help}
    if option.form == FLAG:
        return {**form, "action": "store_true"}
    form.update(metavar=option.metavar, required=option.required, choices=option.choices or None)
    if option.form == REPEAT:
        form.update(action="append", default=[])
    if option.form == MAYBE:
        form.update(nargs="?", const=option.without)
    return form


def details(fields: list[str]) -> dict[str, str]:
    """Turn KEY=VALUE words into a mapping; the last of equal keys counts. Raises EventError."""
    found = {}
    for field in fields:
        name, mark, value = field.partition("=")
        if not mark:
            raise EventError(f"argument -f/--field: {field!r} is not KEY=VALUE")
        found[name] = value
    return found
