"""A pytest plugin: writes what becomes of each test, at once, so that the rest is known when the process dies.

Lines of four fields with tabs between, in the file that RINGWAY_SUITE_REPORT names:

    started     <test>
    told        <test>  passed | skipped | failed | rerun   <why, on one line>      once per phase
    ended       <test>
    collected   <file>  skipped | failed            <why, on one line>
    finished
"""

import os

_file = open(os.environ["RINGWAY_SUITE_REPORT"], "a", encoding="utf-8")


def _tell(*fields):
    _file.write("\t".join(fields) + "\n")
    _file.flush()


def _why(report):
    if report.skipped and isinstance(report.longrepr, tuple):
        return " ".join(report.longrepr[2].split())
    crash = getattr(report.longrepr, "reprcrash", None)
    text = f"{report.when}: {crash.message}" if crash else str(report.longrepr or "")
    return " ".join(text.split())[:500]


def pytest_runtest_logstart(nodeid, location):
    _tell("started", nodeid)


def pytest_runtest_logreport(report):
    _tell("told", report.nodeid, report.outcome, _why(report))


def pytest_runtest_logfinish(nodeid, location):
    _tell("ended", nodeid)


def pytest_collectreport(report):
    if report.outcome != "passed":
        report.when = "collecting"
        _tell("collected", report.nodeid, report.outcome, _why(report))


def pytest_sessionfinish(session, exitstatus):
    _tell("finished")
