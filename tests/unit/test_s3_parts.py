"""How an upload is cut into parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupctl.storages.s3.parts import MAX_PART_SIZE, MAX_PARTS, MEMORY, MIB, MIN_PART_SIZE, plan_parts

TIB = 1 << 40


def test_without_an_estimate_parts_have_8_mib_and_fill_the_memory_with_the_one_being_read() -> None:
    plan = plan_parts(None)
    assert plan.size == 8 * MIB
    assert (plan.in_flight + 1) * plan.size == MEMORY


@pytest.mark.parametrize("estimate", [0, 1, 8 * MIB, 50 << 30])
def test_small_dumps_have_the_smallest_parts(estimate: int) -> None:
    assert plan_parts(estimate).size == MIN_PART_SIZE


def test_a_terabyte_has_parts_that_leave_room_to_outgrow_the_estimate_by_half() -> None:
    plan = plan_parts(TIB)
    assert plan.size == 158 * MIB
    assert plan.size * plan.most >= TIB * 3 // 2


def test_large_parts_go_one_at_a_time() -> None:
    assert plan_parts(TIB).in_flight == 1


@given(st.integers(min_value=0, max_value=100 * TIB))
def test_a_plan_is_one_that_a_store_takes(estimate: int) -> None:
    plan = plan_parts(estimate)
    assert plan.most == MAX_PARTS
    assert MIN_PART_SIZE <= plan.size <= MAX_PART_SIZE
    assert plan.size % MIB == 0
    assert plan.in_flight >= 1
    assert plan.size * plan.most >= min(estimate * 3 // 2, MAX_PARTS * MAX_PART_SIZE)
    assert (plan.in_flight + 1) * plan.size <= max(MEMORY, 2 * plan.size)


@given(st.integers(min_value=0, max_value=TIB), st.integers(min_value=0, max_value=TIB))
def test_a_larger_estimate_never_has_smaller_parts(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert plan_parts(small).size <= plan_parts(large).size
