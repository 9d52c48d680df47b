"""How workers claim the parts of a pool; none of it shapes the output."""

from pydantic import Field

from common.claims.claims import MOST_PARTS
from common.claims.leases import LEASE_S
from common.config import RunConfig


class ClaimsConfig(RunConfig):
    """How several workers, on one machine or many, share the parts of a pool's shards."""

    lease_s: float = Field(LEASE_S, gt=0)
    """A worker of another machine that showed no life for so long counts as ended, and its parts are taken over."""

    most_parts: int = Field(MOST_PARTS, ge=1)
    """Parts that a worker claims at a time, where a shard is long enough."""

    notice_s: float = Field(120, gt=0)
    """After SIGTERM a worker commits the parts that it has begun; after so long it ends, whatever is open."""

    worker: str | None = None
    """This command's name among those that share the pool: a restart under the same name goes on with its shard. Null:
    the Slurm job's array number, else this machine's name."""
