"""custom: a user's own operator class."""

from __future__ import annotations

from pydantic import Field, ValidationError

from datajob.errors import InvalidJob
from datajob.operators import base
from datajob.operators.table._functions import Arguments, Reference, find


class Custom(base.Operator):
    """Run your own operator: a class like the built-in ones, with parameters and one method on Arrow.

    The class subclasses one of the kinds in `datajob.operators.base`, such as `Filter` or `Map`.

    Example:

        - custom: {operator: "my_operators:NoShouting", params: {maxRatio: 0.3}}
    """

    operator: Reference = Field(description="Your class, `package.module:Class`; found in the job's folder or installed.")
    params: Arguments = Field(default={}, description="Its parameters, written as for a built-in operator.")

    def resolved(self) -> base.Operator:
        """The operator itself. Raises InvalidJob when the class does not exist, is none, or refuses its parameters."""
        found = find(self.operator)
        if not (isinstance(found, type) and issubclass(found, base.Operator)) or found.abstract:
            raise InvalidJob(
                f"`{self.operator}` is no operator: it must be a class that subclasses Filter, Map, FlatMap, Model, "
                "Deduplicate, Repartition or Head of `datajob.operators.base`."
            )
        try:
            return found.model_validate(self.params)
        except ValidationError as error:
            problems = "; ".join(f"`{'.'.join(map(str, e['loc'])) or 'params'}`: {e['msg']}" for e in error.errors())
            raise InvalidJob(f"the parameters of `{self.operator}` are not valid: {problems}.") from error

    def inputs(self) -> base.Order:
        """Those of the operator; none where it cannot be found."""
        operator = self._found()
        return () if operator is None else operator.inputs()

    def outputs(self, columns: base.Order) -> base.Order | None:
        """Those of the operator; None where it cannot be found."""
        operator = self._found()
        return None if operator is None else operator.outputs(columns)

    def _found(self) -> base.Operator | None:
        try:
            return self.resolved()
        except InvalidJob:
            return None
