"""One shard of the public log as files: written by one process, read and examined by anybody."""
