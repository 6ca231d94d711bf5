"""`suyuan evidence` beside a running platform: proofs, bundles, witnesses, and the day after a loss.

One platform for the module; what changes its files or its database comes last, in the order of a bad day.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

from suyuan.app.supervisor import Supervisor, database_url
from suyuan.base import clock, db
from suyuan.evidence.check import check_bundle, read_policy
from suyuan.faces.cli import app
from suyuan.faces.cli.serve import settings_text, settle_settings
from suyuan.history.store import next_seq
from tests.evidence.authorities_of_time import Authority
from tests.faces.http.served import until
