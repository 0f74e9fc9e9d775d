"""A real browser that shows the pages: what it makes of them, what they look like, whom they ask."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from base64 import b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def browse(chromium: str, page: Path, *options: str) -> str:
    """Open a page in an empty browser; what it prints."""
    return _opened(chromium, page, *options).stdout


def driven(chromium: str, page: Path, script: str) -> Any:
    """What a script returns that is run in a page after the page's own; nothing may complain meanwhile.

    The page's policy is kept: it allows this one script, too.
    """
    run = f"document.documentElement.dataset.result = JSON.stringify((() => {{{script}}})());"
    allowed = b64encode(sha256(run.encode()).digest()).decode()
    whole = page.read_text("utf-8").replace("script-src '", f"script-src 'sha256-{allowed}' '", 1)
    copy = page.with_suffix(".driven.html")
    copy.write_text(whole.replace("</body>", f"<script>{run}</script></body>"), "utf-8")
    done = _opened(chromium, copy, "--dump-dom", "--enable-logging=stderr")
    assert "CONSOLE" not in done.stderr, done.stderr
    result = re.search('data-result="([^"]*)"', done.stdout)
    assert result, "the script did not come to its end"
    return json.loads(unescape(result[1]))


def _opened(chromium: str, page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [
                chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-background-networking", "--disable-sync", "--hide-scrollbars",
                f"--user-data-dir={profile}", *options, page.as_uri(),
            ],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def pixels(chromium: str, page: Path, *options: str) -> Any:
    picture = page.with_suffix(".png")
    browse(chromium, page, f"--screenshot={picture}", "--window-size=1000,1600", *options)
    return np.asarray(Image.open(picture).convert("RGB")).astype(int)


def asked(chromium: str, page: Path) -> set[str]:
    """The hosts that were asked for something while a page was open, but for the browser's own."""
    log = page.with_suffix(".net.json")
    browse(chromium, page, "--dump-dom", f"--log-net-log={log}", "--host-resolver-rules=MAP * ~NOTFOUND")
    hosts = set(re.findall(r'"url":"(?:https?|wss?|ftp)://([^/":]+)', log.read_text("utf-8")))
    return {host for host in hosts if not host.endswith((".google.com", ".googleapis.com", ".gvt1.com"))}
