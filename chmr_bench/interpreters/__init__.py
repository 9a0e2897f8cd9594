"""Models that run in an interpreter of their own, because their packages clash with ours."""

from chmr_bench.interpreters.environment import environment_digest, interpreter_of
from chmr_bench.interpreters.remote import RemoteModel, builder_of

__all__ = ["RemoteModel", "builder_of", "environment_digest", "interpreter_of"]
