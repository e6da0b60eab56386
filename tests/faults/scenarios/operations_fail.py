"""File operations fail for want of room or of file descriptors: as with EIO, but for reasons that pass by themselves."""

from scenarios.fsync_error import KINDS, with_faults


def run(context):
    return with_faults(context, "operations-fail", KINDS[2:], context.of(1, 20))
