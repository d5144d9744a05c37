"""The base of all operators: its key, its columns, and what determines its result."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import PrivateAttr

from datajob.parameters import Parameters, Reads, TokenColumns, Writes, marked_columns, named_files

Order = tuple[str, ...]


class Operator(Parameters):
    """Base of all operators. Subclass one of the kinds below instead."""

    key: ClassVar[str] = ""
    """The key in a step, in camelCase; by default the class name with a lowercase first letter."""
    abstract: ClassVar[bool] = True
    infallible: ClassVar[bool] = False
    """True if no value of a row can make it raise. It may then receive rows that an earlier filter of the same batch
    already rejected, whose verdict is ignored; this saves a copy of the batch."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.abstract = "abstract" in cls.__dict__ and cls.__dict__["abstract"] is True
        if "key" not in cls.__dict__:
            cls.key = cls.__name__[:1].lower() + cls.__name__[1:]

    draws: ClassVar[bool] = False
    """True if it makes random decisions by the content of a row and a seed."""
    _step: str = PrivateAttr(default="")

    def at_step(self, name: str) -> Self:
        """The operator as the step named `name`, whose random decisions are independent of those of other steps."""
        if not self.draws:
            return self
        placed = self.model_copy()
        placed._step = name
        return placed

    @property
    def salt(self) -> str:
        """Distinguishes its random decisions from those of other steps with the same seed."""
        return self._step or self.key

    def resolved(self) -> Operator:
        """The operator that does the work: itself by default, after the user's function or class, if any, is found.

        Raises InvalidJob if it does not exist. The controller does not have the user's modules and never calls this.
        """
        return self

    def expanded(self) -> tuple[Operator, ...]:
        """The operators that do the work, one after the other: by default, itself. The first one has the name of the step."""
        return (self,)

    def inputs(self) -> Order:
        """Columns that must exist before this step."""
        return marked_columns(self, Reads)

    def compared(self) -> Order | None:
        """The columns whose values it needs; the bytes of others are not read for it. None: all columns, as for user code."""
        return None if self.runs_user_code() else self.inputs()

    def trims(self) -> tuple[str, Order] | None:
        """A column of lists from which it removes items, and the columns that it changes accordingly; None: no such column."""
        return None

    def item_columns(self) -> tuple[str, Order]:
        """A column, and those that the step writes with one value per item if that column contains lists."""
        return "", ()

    def renamed(self, column: str) -> str:
        """The name of a column after this step."""
        return column

    def trimming(self, columns: Order) -> Operator:
        """This step, which removes the values of removed items also from columns that earlier steps have written."""
        return self

    def identity(self) -> Any:
        """Everything that determines the result of the step, as plain data: if it changes, the step runs again.

        This includes the content of the files in the parameters. Only the driver calls it.
        """
        identity: list[Any] = [self.key, self.model_dump(mode="json")]
        if self.draws:
            identity.append(self.salt)
        if files := named_files(self):
            from datajob.operators.files import file_identity

            identity.append([[path, file_identity(path, mark.within)] for path, mark in files])
        if _is_users(type(self)):
            from datajob.operators.files import identities, named_in
            from datajob.operators.user_code import source_digest

            identity.append(source_digest(type(self).__module__))
            identity.append(identities(named_in(self.model_dump(mode="json"))))
        return identity

    def counted_tokens(self) -> TokenColumns | None:
        """The columns by which the report counts the tokens of the rows that the step passes on; None: it counts none."""
        return None

    def secrets(self) -> dict[str, tuple[str, str]]:
        """Environment variables that it reads: the name of a Secret and the entry that contains the value on a cluster."""
        return {}

    def runs_user_code(self) -> bool:
        """Whether it runs user code, whose cost per row is unknown."""
        return _is_users(type(self))

    def cost_unknown(self) -> bool:
        """Whether the size of its input does not indicate its cost: it runs user code or decodes media."""
        return self.runs_user_code() or type(self).__module__.split(".")[2] in ("image", "audio", "video")

    def new_files(self) -> tuple[str, str | None] | None:
        """The column of the media of which it makes files that rows then contain, and the folder of its paths; None if none."""
        return None

    def rows_per_call(self) -> int:
        """Rows of a call of user code, if the user chose them; otherwise 1."""
        return 1

    def outputs(self, columns: Order) -> Order | None:
        """The columns after this step, given those before it; None if unknown before it runs, as for a user's function."""
        return tuple(dict.fromkeys((*columns, *self.written())))

    def written(self) -> Order:
        """The columns that the step adds or replaces."""
        return marked_columns(self, Writes)


def _is_users(operator: type[Operator]) -> bool:
    return operator.__module__.split(".")[0] != __name__.split(".")[0]
