#!/usr/bin/env python3
"""Suspends an account of a Laravel application when an alert names it.

By artisan, on the application's host (write the command yourself: `user:suspend {name} {--reason=}`):
    laravel-suspend-user.py --artisan /srv/shop [--never FILE]
By HTTP, signed: POST {"user": ..., "rule": ..., "alert": ..., "time": ...}; X-Signature is hex of HMAC-SHA256 of the body.
The application checks it with hash_equals() and refuses what is older than some minutes:
    laravel-suspend-user.py --url https://shop.example/internal/suspend --secret FILE [--never FILE]
"""
import argparse
import hashlib
import hmac
import json
import os
import subprocess
import time

import tw_action as tw


def word(name):
    """TW_RULE and TW_ID are plain words; a dash in front would be an option."""
    return os.environ.get(name, "").lstrip("-")[:100]


def by_artisan(folder, name):
    try:
        r = subprocess.run(["/usr/bin/php", "artisan", "user:suspend", "--no-interaction", "--reason=" + word("TW_RULE"), "--", name],
                           cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors="replace", timeout=8, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        tw.end(tw.LATER, f"artisan: {e}")
    if r.returncode:
        tw.end(tw.FAILED, "artisan: " + r.stdout.strip()[:200])


def by_http(url, key, name):
    body = {"user": name, "rule": word("TW_RULE"), "alert": word("TW_ID"), "time": int(time.time())}
    mac = hmac.new(key.encode(), json.dumps(body).encode(), hashlib.sha256).hexdigest()
    tw.http(url, body, {"X-Signature": mac})


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--artisan", metavar="FOLDER")
    p.add_argument("--url")
    p.add_argument("--secret", metavar="FILE")
    p.add_argument("--never", metavar="FILE")
    a = p.parse_args()
    if bool(a.artisan) == bool(a.url) or bool(a.url) != bool(a.secret):
        tw.end(tw.FAILED, "either --artisan FOLDER, or --url URL --secret FILE")
    names = tw.users(a.never)
    key = tw.secret(a.secret) if a.secret else ""
    for name in names:
        if a.artisan:
            by_artisan(a.artisan, name)
        else:
            by_http(a.url, key, name)
    tw.end(tw.DONE, f"suspended: {' '.join(names)}")


main()
