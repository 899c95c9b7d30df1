"""What is declared wrongly is refused when the server starts, not when somebody calls it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import Field
from typing_extensions import TypedDict

from nymead_users.rpc.caller import Caller
from nymead_users.rpc.namespace import Namespace, NoParams, Notification, Params, method, wire_type
from nymead_users.rpc.registry import Registry


@wire_type
class Done(TypedDict):
    """Returns of nothing much."""

    done: bool


class Plain(Namespace):
    """Declares everything as it should be."""

    name = "Plain"
    notifications: ClassVar[tuple[Notification, ...]] = (Notification("Plain.Happened", "Something happened.", Done),)

    @method("Second")
    async def second(self, caller: Caller, params: NoParams) -> Done:  # noqa: ARG002
        """Do the second thing."""
        return {"done": True}

    @method("First")
    async def first(self, caller: Caller, params: NoParams) -> Done:  # noqa: ARG002
        """Do the first thing."""
        return {"done": True}


class Hidden(Plain):
    """Is served, but not told of."""

    name = "Hidden"
    hidden = True
    notifications = ()


def test_methods_are_found_by_their_whole_name() -> None:
    """A method is known by its namespace and name together, case and all."""
    registry = Registry([Plain(), Hidden()])
    found = registry.get("Plain.First")
    assert found is not None
    assert (found.name, found.description) == ("Plain.First", "Do the first thing.")
    for name in ("First", "plain.First", "Plain.first", "Plain.First ", "Plain.second", "Plain.", ""):
        assert registry.get(name) is None


def test_what_is_told_is_sorted_and_hides_what_is_hidden() -> None:
    """Lists of methods are in order of their names; hidden namespaces are in them only if asked for."""
    registry = Registry([Hidden(), Plain()])
    plain, hidden = ["Plain.First", "Plain.Second"], ["Hidden.First", "Hidden.Second"]
    assert [one.name for one in registry.methods()] == plain
    assert [one.name for one in registry.methods(hidden=True)] == hidden + plain
    assert [one.name for one in registry.notifications()] == ["Plain.Happened"]
    assert registry.names() == {"Plain"}
    assert registry.get("Hidden.First") is not None


def test_a_namespace_is_declared_once() -> None:
    """Two namespaces of one name are refused."""
    with pytest.raises(ValueError, match="Plain"):
        Registry([Plain(), Plain()])
    registry = Registry([Plain()])
    with pytest.raises(ValueError, match="Plain"):
        registry.add(Plain())


def test_a_method_is_declared_once() -> None:
    """Two methods of one name in a namespace are refused."""

    class Twice(Plain):
        @method("First")
        async def once_more(self, caller: Caller, params: NoParams) -> Done:  # noqa: ARG002
            """Do the first thing again."""
            return {"done": True}

    with pytest.raises(ValueError, match=r"Plain\.First"):
        Registry([Twice()])


def test_a_method_says_what_it_does() -> None:
    """A method without a description is refused."""

    class Silent(Plain):
        @method("Third")
        async def third(self, caller: Caller, params: NoParams) -> Done:  # noqa: ARG002
            return {"done": True}

    with pytest.raises(ValueError, match=r"Plain\.Third"):
        Registry([Silent()])


class Blob(Params):
    """Params of a type that the contract has no word for."""

    data: bytes = Field(description="Bytes.")


class Nested(Params):
    """The same, further in."""

    data: list[dict[str, Any] | None] = Field(description="Fine.")
    more: list[complex] = Field(description="Not fine.")


@wire_type
class BlobReturns(TypedDict):
    """Returns of a type that the contract has no word for."""

    data: bytes


@wire_type
class NestedReturns(TypedDict):
    """The same, further in."""

    inner: BlobReturns


class TakesBytes(Namespace):
    """A namespace with an unknown type among the params."""

    name = "Odd"

    @method("Take")
    async def take(self, caller: Caller, params: Blob) -> Done:  # noqa: ARG002
        """Take bytes."""
        return {"done": True}


class TakesNested(Namespace):
    """A namespace with an unknown type within the params."""

    name = "Odd"

    @method("Take")
    async def take(self, caller: Caller, params: Nested) -> Done:  # noqa: ARG002
        """Take a list of what can't be sent."""
        return {"done": True}


class GivesBytes(Namespace):
    """A namespace with an unknown type among the returns."""

    name = "Odd"

    @method("Give")
    async def give(self, caller: Caller, params: NoParams) -> BlobReturns:  # noqa: ARG002
        """Give bytes."""
        return {"data": b""}


class GivesNested(Namespace):
    """A namespace with an unknown type within the returns."""

    name = "Odd"

    @method("Give")
    async def give(self, caller: Caller, params: NoParams) -> NestedReturns:  # noqa: ARG002
        """Give an object with bytes in it."""
        return {"inner": {"data": b""}}


class TellsBytes(Namespace):
    """A namespace with an unknown type in a notification."""

    name = "Odd"
    notifications = (Notification("Odd.Happened", "Something happened.", BlobReturns),)


@pytest.mark.parametrize("namespace", [TakesBytes, TakesNested, GivesBytes, GivesNested, TellsBytes])
def test_only_types_that_the_contract_knows_are_declared(namespace: type[Namespace]) -> None:
    """A type that can't be expressed is refused, in params, returns and notifications, however deep."""
    with pytest.raises(TypeError, match="no notation"):
        Registry([namespace()])


def notifying(*declared: Notification) -> Namespace:
    """A namespace with these notifications."""

    class Notifying(Plain):
        notifications = declared

    return Notifying()


def test_a_notification_is_of_its_own_namespace() -> None:
    """A notification under another namespace's name is refused."""
    for name in ("Other.Happened", "Plainly.Happened", "Happened"):
        with pytest.raises(ValueError, match=name):
            Registry([notifying(Notification(name, "Something happened.", Done))])


def test_a_notification_is_declared_once() -> None:
    """Two notifications of one name are refused."""
    twice = Notification("Plain.Happened", "Something happened.", Done)
    with pytest.raises(ValueError, match=r"Plain\.Happened"):
        Registry([notifying(twice, twice)])


def test_a_notification_says_what_it_tells() -> None:
    """A notification without a description is refused."""
    with pytest.raises(ValueError, match=r"Plain\.Happened"):
        Registry([notifying(Notification("Plain.Happened", "", Done))])
