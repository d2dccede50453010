#!/usr/bin/env python3
"""report_browser.py TEST_CASE_REPORT [KEEP]: the HTML reports of test/unit/case/report.c in a real browser.  Their own script
runs under their own content security policy, nothing of a hostile log does, and no page asks for anything beyond itself.
With KEEP, leaves screenshots there: wide and narrow, light and dark.  Exit 77: no Chromium here."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr", "--v=0"]


def browse(chromium, work, args, page):
    """What Chromium prints, and what it logs, for one page in a profile of its own."""
    profile = tempfile.mkdtemp(dir=work)
    r = subprocess.run([chromium, *FLAGS, "--user-data-dir=" + profile, *args, "file://" + page],
                       capture_output=True, timeout=120, check=False)
    shutil.rmtree(profile, ignore_errors=True)
    return r.stdout.decode("utf-8", "replace"), r.stderr.decode("utf-8", "replace")


def check(name, dom, log, failures):
    def need(ok, what):
        if not ok:
            failures.append("%s: %s" % (name, what))

    main = dom[dom.index("<main>"):] if "<main>" in dom else ""
    need(main, "no page")
    need("Content Security Policy" not in log and "Refused to" not in log, "the policy refused something: " + log[:400])
    need(len(re.findall(r"<script", dom)) == 1, "not exactly one script")
    need(not re.search(r"<(img|iframe|object|embed|link|form)\b", dom), "an element that loads something")
    need(not re.search(r"\son[a-z]+=\"", re.sub(r">[^<]*<", "><", dom)), "an event handler in the markup")
    need('<div class="tools" hidden' not in main, "the script did not run")
    if name.startswith("demo"):
        need(re.search(r'role="status"[^>]*>16 / 16 ', main), "the filter counts 16 rules")
        need(main.count("<svg") > 10, "drawings")
        need("<mark>" in main or "DETAILS" in main or main.count("<details") >= 16, "rules to open")


def main():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium: skipped")
        return 77
    failures = []
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([os.path.abspath(sys.argv[1]), work], check=True)
        for story in ("demo", "hostile", "zero"):
            for lang in ("en", "fr"):
                page = os.path.join(work, "%s-%s.html" % (story, lang))
                dom, log = browse(chromium, work, ["--dump-dom"], page)
                check("%s-%s" % (story, lang), dom, log, failures)
        for dark in (False, True) if len(sys.argv) > 2 else ():
            for width in (1280, 400):
                for lang in ("en", "fr"):
                    shot = os.path.join(os.path.abspath(sys.argv[2]), "%s-%d-%s.png" % (lang, width, "dark" if dark else "light"))
                    more = ["--blink-settings=preferredColorScheme=0"] if dark else []
                    browse(chromium, work, ["--screenshot=" + shot, "--window-size=%d,2000" % width, *more],
                           os.path.join(work, "demo-%s.html" % lang))
    for f in failures:
        print(f)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
