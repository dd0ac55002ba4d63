"""Which of a server's databases a job means, and what came of each."""

import pytest

from backupctl.errors import BugError, CancelledError, EngineError
from backupctl.several import Made, choose, gone_and_come, has_patterns


def raising(error: Exception) -> None:
    raise error


def made(**failures: Exception) -> Made:
    result = Made()
    for name, error in failures.items():
        result.attempt(name, lambda error=error: raising(error))  # type: ignore[misc]
    return result


@pytest.mark.parametrize(
    ("names", "exclude", "wanted"),
    [
        (("*",), (), ["Crm", "a[1]", "crm", "crm_1", "tmp_1", "tmp_2"]),
        (("*",), ("tmp_*", "a*"), ["Crm", "crm", "crm_1"]),
        (("crm*",), (), ["crm", "crm_1"]),
        (("crm", "Crm"), ("CRM",), ["Crm", "crm"]),
        (("crm_?", "tmp_[13]"), (), ["crm_1", "tmp_1"]),
        (("a[1]",), (), ["a[1]"]),
        (("*",), ("a[1]", "*mp*"), ["Crm", "crm", "crm_1"]),
    ],
)
def test_patterns_are_the_shells_and_know_upper_case_from_lower(
    names: tuple[str, ...], exclude: tuple[str, ...], wanted: list[str]
) -> None:
    found = ["Crm", "a[1]", "crm", "crm_1", "tmp_1", "tmp_2"]
    choice = choose(found, names, exclude)
    assert (list(choice.wanted), choice.lacking) == (wanted, ())


def test_a_plain_name_that_is_not_there_is_lacking_and_a_pattern_that_fits_nothing_is_not() -> None:
    choice = choose(["crm"], ["crm", "erp", "shop_*", "old"], ["old"])
    assert (choice.wanted, choice.lacking, choice.all) == (("crm",), ("erp",), ("crm", "erp"))


@pytest.mark.parametrize("found", [[], ["tmp_1"]])
def test_to_choose_nothing_is_an_error(found: list[str]) -> None:
    with pytest.raises(EngineError, match=rf"none of the server's {len(found)} databases is one of \* and not of tmp_"):
        choose(found, ["*"], ["tmp_*"])


def test_what_is_lacking_or_left_out_has_not_gone() -> None:
    choice = choose(["a", "b", "new"], ["*", "lacking"], ["b"])
    before = ["a", "b", "gone", "lacking"]
    assert gone_and_come(before, choice, ["a", "b", "new"]) == (("gone",), ("new",))


@pytest.mark.parametrize(("names", "patterns"), [(["a", "b"], False), (["a", "b*"], True), (["[ab]"], True)])
def test_only_a_pattern_leaves_it_to_the_server_which_they_are(names: list[str], patterns: bool) -> None:
    assert has_patterns(names) is patterns


def test_a_run_without_failures_checks_out() -> None:
    made().check(3)


def test_the_error_counts_all_and_names_the_first_few() -> None:
    several = made(**{f"db{number}": EngineError(f"why {number}") for number in range(7)})
    with pytest.raises(EngineError) as caught:
        several.check(9)
    assert caught.value.message == (
        "7 of 9 databases have no backup: db0: why 0; db1: why 1; db2: why 2; db3: why 3; db4: why 4; and 2 more"
    )


def test_a_reason_that_several_fail_for_is_said_once() -> None:
    several = made(**{f"db{number}": EngineError("no pg_dump 17") for number in range(7)}, odd=EngineError("no rights"))
    with pytest.raises(EngineError) as caught:
        several.check(8)
    assert caught.value.message == (
        "8 of 8 databases have no backup: db0, db1, db2, db3, db4 and 2 more: no pg_dump 17; odd: no rights"
    )


def test_one_failure_that_may_pass_makes_the_run_worth_a_retry() -> None:
    several = made(a=EngineError("for good"), b=EngineError("for now", transient=True, hint="wait"))
    with pytest.raises(EngineError) as caught:
        several.check(2)
    assert (caught.value.transient, caught.value.hint) == (True, "wait")


def test_one_bug_makes_it_a_bug() -> None:
    with pytest.raises(BugError, match=r"^2 of 2 databases have no backup: a: no; b: a bug in backupctl: KeyError: 1$"):
        made(a=EngineError("no"), b=KeyError(1)).check(2)


def test_what_the_run_did_not_get_to_is_lacking_and_no_failure() -> None:
    several = made(b=CancelledError(), a=EngineError("no"))
    assert list(several.failed) == ["a"]
    assert several.lacking == {"a": "no", "b": "the run was ended before it had a backup"}
    made(b=CancelledError()).check(1)
