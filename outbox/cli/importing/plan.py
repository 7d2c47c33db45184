"""An import as it was asked for: the file, the template and the options, looked at before anything is written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from outbox.cli.importing import tables
from outbox.cli.importing.ledger import Ledger
from outbox.cli.importing.progress import bar
from outbox.cli.importing.sending import Show
from outbox.cli.importing.source import Source
from outbox.cli.importing.survey import Survey
from outbox.cli.importing.tables import Format
from outbox.cli.importing.token import FILE_DIGITS, Token, digest
from outbox.core.errors import InvalidRequest, OutboxError
from outbox.flows.columns import Columns
from outbox.flows.importing import Defaults, Fill, Import, Line


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands on the command line."""

    file: Path
    template: Path | None = None
    encoding: str | None = None
    format_: Format | None = None
    renamed: Sequence[str] = ()
    defaults: Defaults = field(default_factory=Defaults)
    label: str = ""


class Plan:
    """Reads the file any number of times; it is the same file each time, or an error.

    Raises `InvalidRequest` for a file, a template or an option that cannot be used.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.format: Format = asked.format_ or tables.guess(asked.file)
        self._columns = Columns(renamed(asked.renamed), open_=asked.template is not None)
        fill, template = _template(asked.template)
        self.source = Source(asked.file, asked.encoding)
        defaults = replace(asked.defaults, label=asked.label)
        self.make = Import(self._columns, defaults, self.source.attach, fill)
        options = [self.format, self.source.taken.name, dict(self._columns.renamed), asdict(defaults)]
        self.token = Token(self.source.taken.digest[:FILE_DIGITS], template, digest(options))

    def lines(self) -> Iterator[Line]:
        """Give the rows of the file."""
        return tables.rows(self.source.lines(), self.source.name, self.format, self._columns)

    @contextmanager
    def surveyed(self, *, quiet: bool) -> Iterator[Survey]:
        """Look at every row; from then on the token knows the attachments. Raises `InvalidRequest`."""
        with closing(Ledger()) as ledger:
            survey = Survey(ledger)
            self._look(survey, quiet=quiet)
            self.token = replace(self.token, attachments=survey.attached)
            yield survey

    def _look(self, survey: Survey, *, quiet: bool) -> None:
        try:
            with bar("checking", None, off=quiet) as show:
                survey.look(_counted(self.lines(), show), self.make)
        except KeyboardInterrupt:
            raise OutboxError("It was stopped by hand before anything was written.") from None
        if not survey.rows:
            raise InvalidRequest(f"{self.source.name} holds no row")


def renamed(maps: Sequence[str]) -> Mapping[str, str]:
    """Read column=field pairs. Raises `InvalidRequest`."""
    pairs = [each.rpartition("=") for each in maps]
    wrong = [each for each, (column, _, name) in zip(maps, pairs, strict=True) if not column or not name.strip()]
    if wrong:
        raise InvalidRequest(f"--map {wrong[0]!r} is not of the form COLUMN=FIELD")
    if len({column for column, _, _ in pairs}) < len(pairs):
        raise InvalidRequest("--map names a column twice")
    return {column.strip(): name.strip() for column, _, name in pairs}


def _template(path: Path | None) -> tuple[Fill | None, str]:
    if path is None:
        return None, digest("no template")
    from outbox.cli.importing.template import MailTemplate  # noqa: PLC0415  Jinja2 only for who fills a template

    template = MailTemplate(path)
    return template.fill, digest(template.sources)


def _counted(lines: Iterator[Line], show: Show) -> Iterator[Line]:
    for line in lines:
        show(1)
        yield line
