"""The three text files that make the embedded server ours: settings, who may enter, and under which name.

They are written anew at every start, so a newer suyuan brings its newer settings. An operator's own settings go into
`operator.conf` beside the data, which is read last (or through ALTER SYSTEM, which PostgreSQL reads after that).
"""

SETTINGS = """\
# Written by suyuan at every start; your own settings belong into operator.conf in the folder above.

# A confirmed commit must survive a power cut. suyuan refuses to run when one of these three is off.
fsync = on
synchronous_commit = on
full_page_writes = on

# Nobody reaches the books over a network; the socket's folder is closed to everybody but this account.
listen_addresses = ''
unix_socket_permissions = 0700

# The log must hold no personal value, so neither statements nor the values in a constraint's DETAIL are written.
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
# A quiet log is read; checkpoints are not news.
log_checkpoints = off

# The hot tables fit here, and a small machine still has room for everything else.
shared_buffers = 256MB
# A checkpoint makes the next change of each page log the page whole, so they should be rare ...
max_wal_size = 2GB
checkpoint_timeout = 15min
# ... and those whole pages shrink well. A crash then replays at most the two gigabytes.
wal_compression = on

# The line has one writer on perhaps two cores: a report must not take them all, and short statements gain nothing from
# being compiled.
max_parallel_workers_per_gather = 0
jit = off
# Counters of busy accounts change thousands of times a minute, and what a vacuum finds a minute late is bloat.
autovacuum_naptime = 15s
# Disks have had no arms for a long time.
random_page_cost = 1.1

# One zone and one language for whoever reads the log, whatever the machine says.
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
cluster_name = 'suyuan'

include = '../operator.conf'
"""

OPERATOR = "# Your own settings for this server; suyuan never changes this file, and what stands here wins.\n"

# The kernel says who is at the other end of a socket, so there is no password to keep.
WHO_MAY_ENTER = "local all all peer map=suyuan\n"


def names(*accounts: str) -> str:
    """The ident map: these accounts of the machine may enter as `suyuan`. Quoting keeps a name from being a pattern."""
    return "".join(f'suyuan "{account}" suyuan\n' for account in dict.fromkeys(accounts))
