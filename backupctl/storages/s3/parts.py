"""How an upload is cut into parts: their size, and how many are in memory at once."""

from dataclasses import dataclass

MIB = 1 << 20
MAX_PARTS = 10_000  # of S3 and R2 (Amazon S3 User Guide, "Amazon S3 multipart upload limits")
MIN_PART_SIZE = 8 * MIB  # S3 takes 5 MiB; but every part costs a round trip and a signature
MAX_PART_SIZE = 512 * MIB  # 10,000 of them are more than the 5 TB that an object may have
MEMORY = 32 * MIB


@dataclass(frozen=True)
class PartPlan:
    """All parts but the last have `size` bytes; `in_flight` are uploaded while the next one is read; `most` in all."""

    size: int
    in_flight: int
    most: int = MAX_PARTS


def plan_parts(size_estimate: int | None) -> PartPlan:
    """Parts that hold one and a half times the estimate (bytes) within the store's limit on their number."""
    roomy = (size_estimate or 0) * 3 // 2
    whole_mib = -(-roomy // (MAX_PARTS * MIB))
    size = min(max(whole_mib * MIB, MIN_PART_SIZE), MAX_PART_SIZE)
    return PartPlan(size=size, in_flight=max(1, MEMORY // size - 1))
