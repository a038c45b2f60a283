# SPDX-License-Identifier: Apache-2.0
"""Starting a job with a long history behind it."""
import glob
import sqlite3

from engines import Contender, daemon
from place import BIN
from report import Aim, Group, Line

LONG = 100000
TIMES = 5


def write_history(path):
    """Copies of a job that has ended, into the store of a daemon that is stopped."""
    db = sqlite3.connect(path)
    columns = [row[1] for row in db.execute("PRAGMA table_info(job)") if row[1] not in ("seq", "id", "idem")]
    names = ", ".join(columns)
    ended = db.execute("SELECT seq FROM job WHERE ended = 1 ORDER BY seq DESC LIMIT 1").fetchone()
    if not ended:
        raise SystemExit("bench: no job has ended")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
               f"INSERT INTO job (id, idem, {names}) SELECT printf('%08x-0000-4000-8000-%012x', i, i), '', {names} FROM job, n WHERE seq = ?",
               (LONG, ended[0]))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def forget_history(path):
    db = sqlite3.connect(path)
    db.execute("DELETE FROM job WHERE id LIKE '%-0000-4000-8000-%'")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def history(here, reps):
    served = daemon(here)
    job = Contender([f"{BIN}/rnx", "job", "run", "true"], served.env)
    store = glob.glob(f"{served.home}/state/*.db")[0]
    none, long = [], []
    for _ in range(max(2, reps // 3)):
        for values, prepare in ((none, forget_history), (long, write_history)):
            job.measure(1)
            served.stop()
            prepare(store)
            served.start()
            job.measure(2)
            values += [wall for wall, _, _ in job.measure(TIMES)]
    served.stop()
    forget_history(store)
    served.start()
    return [Group("history", f"`rnx job run true` with {LONG:,} jobs in the history", "ms",
                  [Line(f"with {LONG:,}", long), Line("with none", none, Aim("<=", 1.1))])]


rows = {"history": history}
