"""What a retention policy keeps of a job's backups, and why: pure functions of the backups and the time."""

from pydantic import Field, model_validator

from backupctl.options import Duration, Options


class Retention(Options):
    """How many backups of a job are kept. What any rule keeps is kept; a job without a policy keeps everything."""

    keep_last: int | None = Field(default=None, ge=1, description="The newest so many")
    keep_hourly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many hours")
    keep_daily: int | None = Field(default=None, ge=1, description="The newest of each of the last so many days")
    keep_weekly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many ISO weeks")
    keep_monthly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many months")
    keep_yearly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many years")
    keep_within: Duration | None = Field(default=None, gt=0, description="All that are younger, such as 30d")

    @model_validator(mode="after")
    def _keeps_something(self) -> "Retention":
        if not any(value for _, value in self):
            raise ValueError("a retention policy without a rule would keep nothing; leave it out to keep everything")
        return self
