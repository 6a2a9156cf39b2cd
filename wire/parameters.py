"""A number that people may choose: said once, where its record says what it is.

```
class Plan(msgspec.Struct):
    jitter: Annotated[float, Parameter(low=0, high=10, what="a chunk's own delay, ...")] = 0.0
```

From that follow its check, its option on every command line, and its field in Locust's form. On the
way to `Parameter.read` all of these hold text, in the option's unit.
"""

import argparse
import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from chunk7.delivery.errors import UsageError

_SHOWN_CHARACTERS = 80
_EXACT = 1e16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What one number may be, and how it is typed in.

    The last four are its record's to say: the field's name, whether its type is int, whether it
    must be there, and its value where nobody chooses one.
    """

    low: float
    high: float
    what: str
    """One line of help."""
    unit: str = ""
    """Of the field, and of the option too unless `per_s`."""
    none: str = ""
    """The word for None, where the field may be None: what then happens."""
    option: str = ""
    """On a command line; by default the field's name."""
    per_s: int = 1
    """The option is in seconds, and the field in this part of one."""
    usual: tuple[float, ...] = ()
    """Choices of Locust's form, in the option's unit; none: the form does not have it."""
    alone: bool = True
    """Whether it means something to a producer that streams with no load test."""
    delay: bool = False
    """It makes a step slower, and changes neither who joins what when, nor when chunks come."""
    name: str = ""
    whole: bool = False
    default: float | None = None

    @property
    def dest(self) -> str:
        """Its name in an argparse namespace, and in Locust's form."""
        return self.name if self.per_s == 1 else f"{self.option[2:]}_s"

    def check(self, value: float | None) -> None:
        """Raise UsageError, naming the field and its bounds, unless it may have this value."""
        if value is None and self.none:
            return
        if value is None or not self.low <= value <= self.high:  # also refuses nan
            raise UsageError(f"{self.name} {_number(value)}: {self._bounds(1)}")

    def read(self, text: object, option: str = "") -> float | int | None:
        """The field's value for a text; raises UsageError naming the option, by default its own."""
        given = str(text).strip()
        return None if self.none and given == self.none else self.number(given, option)

    def number(self, text: str, option: str = "") -> float | int:
        """The same of a text that is no word for None."""
        option = option or self.option
        whole = self.whole and self.per_s == 1
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            word = f", or {self.none}" if self.none else ""
            wanted = "a whole number" if whole else "a number"
            raise UsageError(f"{option} {_shown(text)}: want {wanted}{word}") from None
        if not self.low <= value * self.per_s <= self.high:
            raise UsageError(f"{option} {_shown(text)}: {self._bounds(self.per_s)}")
        return round(value * self.per_s) if self.whole else value

    def spelled(self, value: float | None) -> str:
        """The text that `read` makes this value of."""
        return self.none if value is None else _number(value / self.per_s)

    def add_to(
        self,
        parser: "argparse.ArgumentParser | argparse._ArgumentGroup",
        default: float | None = None,
        *,
        vetted: bool = True,
    ) -> None:
        """Declare the option. A default of the command's own takes the place of the usual one.

        `vetted`: a bad text raises UsageError while the command line is parsed; otherwise when it
        is read, as where a form takes its place. A form shows the help as it stands, beside the
        default, so there it does not name that.
        """
        usual = self.spelled(self.default if default is None else default)
        parser.add_argument(
            self.option,
            dest=self.dest,
            type=self._vetted if vetted else str,
            default=usual,
            metavar={"ms": "MS", "s": "S"}.get("s" if self.per_s > 1 else self.unit, "N"),
            help=f"{self.what} (default: %(default)s)" if vetted else self.what,
        )

    def _vetted(self, text: str) -> str:
        self.read(text)
        return text

    def _bounds(self, per_unit: int) -> str:
        word = f", or {self.none}" if self.none else ""
        low, high = _number(self.low / per_unit), _number(self.high / per_unit)
        return f"must be between {low} and {high}{word}"


def parameters(record: type[msgspec.Struct]) -> dict[str, Parameter]:
    """Those of a record's fields that are annotated with a Parameter, by name, in their order."""
    hints = typing.get_type_hints(record, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(record):
        for note in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(note, Parameter):
                found[field.name] = _completed(note, field, typing.get_args(hints[field.name])[0])
    return found


def _completed(note: Parameter, field: msgspec.structs.FieldInfo, kind: object) -> Parameter:
    return dataclasses.replace(
        note,
        name=field.name,
        option=note.option or f"--{field.name.replace('_', '-')}",
        whole=kind is int or int in typing.get_args(kind),
        default=None if field.default is msgspec.NODEFAULT else field.default,
    )


def read_all(
    known: Mapping[str, Parameter], given: Mapping[str, object]
) -> dict[str, float | int | None]:
    """The values by field of those parameters that a namespace has; raises UsageError."""
    return {
        name: parameter.read(given[parameter.dest])
        for name, parameter in known.items()
        if parameter.dest in given
    }


def _number(value: float | None) -> str:
    """Without a needless fraction; `float` of it is exactly the same again."""
    if value is None:
        return "none"
    whole = float(value).is_integer() and abs(value) < _EXACT
    return str(int(value)) if whole else str(value)


def _shown(text: str) -> str:
    """As typed; between quotes what could not be seen, or would break the line."""
    text = text[:_SHOWN_CHARACTERS]
    return text if text and text.isprintable() else repr(text)
