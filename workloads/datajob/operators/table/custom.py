"""custom: run a user's own operator class."""

from __future__ import annotations

from pydantic import Field, ValidationError

from datajob.errors import InvalidJob
from datajob.operators import base
from datajob.operators.table._functions import Arguments, Reference, find


class Custom(base.Operator):
    """Run your own operator: a class like the built-in ones, with parameters and one method on Arrow tables.

    The class must subclass one of the kinds in `datajob.operators`, such as `Filter` or `Map`.

    Example:

        - custom: {operator: "my_operators:NoShouting", params: {maxRatio: 0.3}}
    """

    operator: Reference = Field(
        description="Your class, as `package.module:Class`, from the job's folder or an installed package."
    )
    params: Arguments = Field(default={}, description="Parameters of the class, written as for a built-in operator.")

    def resolved(self) -> base.Operator:
        """The operator itself. Raises InvalidJob if the class does not exist, is not an operator, or rejects its parameters."""
        found = find(self.operator)
        if not (isinstance(found, type) and issubclass(found, base.Operator)) or found.abstract:
            raise InvalidJob(
                f"`{self.operator}` is not an operator: it must be a subclass of Filter, Map, FlatMap, Model, "
                "Deduplicate, Repartition or Head from `datajob.operators`."
            )
        try:
            return found.model_validate(self.params)
        except ValidationError as error:
            problems = "; ".join(f"`{'.'.join(map(str, e['loc'])) or 'params'}`: {e['msg']}" for e in error.errors())
            raise InvalidJob(f"the parameters of `{self.operator}` are invalid: {problems}.") from error

    def inputs(self) -> base.Order:
        """The inputs of the operator; none if it cannot be found."""
        operator = self._found()
        return () if operator is None else operator.inputs()

    def outputs(self, columns: base.Order) -> base.Order | None:
        """The outputs of the operator; None if it cannot be found."""
        operator = self._found()
        return None if operator is None else operator.outputs(columns)

    def _found(self) -> base.Operator | None:
        try:
            return self.resolved()
        except InvalidJob:
            return None
