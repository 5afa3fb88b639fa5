"""What rows come to, in one figure each: the limit, the waiting, the models together, the tuner, the best peer."""

import itertools

from benchmarks.latency import HANDLER_ALONE
from benchmarks.limit import WAYS
from benchmarks.loops import ALONE, AS_FAST_AS_IT_GOES, OPEN
from benchmarks.peer_runs import DRIVERS
from benchmarks.report.runs import IN_PROCESS, OURS, Row, Rows, groups, median, select, short, tell_number, tell_variant
from benchmarks.together import ALONE as BY_ITSELF
from benchmarks.together import TOGETHER
from benchmarks.tuner import BESIDE_GRID, CHOSEN
from benchmarks.users import PAUSING, is_carried

Finding = tuple[str, str]  # what was measured, and what was found


def fastest(rows: Rows, *columns: str) -> tuple[Row, float] | None:
    """The first row of the group with the highest median throughput, and that; None of nothing."""
    found = [(group[0], median(group, "requests_per_s")) for group in groups(rows, *columns).values()]
    return max(found, key=lambda each: each[1], default=None)


def find_share_of_limit(rows: Rows) -> float | None:
    """Marina's throughput in that of the handler in process, in the same run."""
    ours, limit = (select(rows, server=server) for server in (OURS, IN_PROCESS))
    return median(ours, "requests_per_s") / median(limit, "requests_per_s") if ours and limit else None


def find_best_peer(rows: Rows, driver: str = "ab") -> tuple[str, float] | None:
    """Of the peers with the same model file, under that driver: the fastest, and how many times faster Marina is."""
    driven = [row for row in rows if row.get("driver", "ab") == driver]
    ours = select(driven, server=OURS)
    same = [row for row in driven if row["server"] not in (OURS, IN_PROCESS) and row.get("runtime") != "torchscript"]
    best = fastest(same, "server")
    return (best[0]["server"], median(ours, "requests_per_s") / best[1]) if ours and best else None


def find_p99_at_half(rows: Rows) -> float | None:
    """In ms, at half of the maximum load of the same run; with the model's own delay."""
    found = select(rows, workload=OPEN, is_default="1")
    return median(found, "p99_ms") if found else None


def find_cost_alone(rows: Rows) -> float | None:
    """In ms: the median of a request alone through the whole server, less that of the handler alone."""
    served, handler = (select(rows, workload=name, is_default="1") for name in (ALONE, HANDLER_ALONE))
    return median(served, "p50_ms") - median(handler, "p50_ms") if served and handler else None


def find_sum_together(rows: Rows) -> float | None:
    """The sum over the models of what each did together to what it did alone."""
    together, alone = (groups(select(rows, workload=name), "model") for name in (TOGETHER, BY_ITSELF))
    if not together or together.keys() != alone.keys():
        return None
    return sum(median(together[model], "requests_per_s") / median(alone[model], "requests_per_s") for model in alone)


def find_spread(rows: Rows) -> float | None:
    """By what share the slowest of the settings that the tuner chose is below the fastest."""
    speeds = [median(group, "requests_per_s") for group in groups(select(rows, workload=CHOSEN), "settings").values()]
    return 1 - min(speeds) / max(speeds) if speeds else None


def most_carried(rows: Rows) -> int:
    """The highest number of users below the lowest that was not carried."""
    numbers: dict[int, bool] = {}
    for row in sorted(rows, key=lambda row: int(row["clients"])):
        users = int(row["clients"])
        numbers[users] = numbers.get(users, True) and is_carried(row)
    return max(itertools.takewhile(numbers.__getitem__, numbers), default=0)


def select_paused(rows: Rows) -> Rows:
    return [row for row in rows if row.get("workload", "").endswith(PAUSING)]


def select_wanted(rows: Rows) -> Rows:
    """The rows with as many users as were asked for."""
    return [row for row in select_paused(rows) if row["clients"] == row["wanted_users"]]


def tell_carried(rows: Rows) -> list[Finding]:
    """What a run with pausing users found: the number that was asked for, and the highest that was carried."""
    wanted = select_wanted(rows)
    if not wanted:
        return []
    speed, p99, memory = (short(median(wanted, key)) for key in ("requests_per_s", "p99_ms", "pss_mb"))
    failed = sum(int(row["failed"]) for row in wanted)
    told = f"{wanted[0]['sizes']} px, {tell_variant(wanted[0])}"
    return [
        (
            f"Handwriting ensemble ({told}), one core, {wanted[0]['workload']}",
            f"{speed} requests/s, p99 {p99} ms, {failed} failed, {memory} MB in all",
        ),
        ("the same: the most users with p99 under 1 s", f"{most_carried(select_paused(rows))} users"),
    ]


def tell_limit(rows: Rows) -> list[Finding]:
    found = []
    for way, told in WAYS.items():
        best = fastest(select(rows, workload=told), "settings")
        if best and way in ("handler", "model", "preprocess"):
            found.append((f"{told}, {tell_variant(best[0])}", f"{short(best[1])}/s with {best[0]['settings']}"))
    return found


def tell_gpu(rows: Rows) -> list[Finding]:
    found = []
    for (model,), group in groups(rows, "model").items():
        best = fastest(select(group, workload=WAYS["handler"]), "settings")
        alone = fastest(select(group, workload=WAYS["model"]), "settings")
        if best and alone:
            figures = f"{short(best[1])}/s with batches of {best[0]['batch']}"
            found.append((f"{model}, {tell_variant(group[0])}", f"{figures}; the model alone {short(alone[1])}/s"))
    return found


def tell_share_of_limit(rows: Rows) -> list[Finding]:
    share = find_share_of_limit(rows)
    return [] if share is None else [("of the limit in process, in the same run", f"{share:.2f}")]


def tell_latency(rows: Rows) -> list[Finding]:
    p99, cost = find_p99_at_half(rows), find_cost_alone(rows)
    told = f"{rows[0]['model']} {tell_variant(rows[0])}"
    found = []
    if p99 is not None:
        found.append((f"{told}, at half the maximum load: p99", f"{short(p99)} ms"))
    if cost is not None:
        found.append((f"{told}, a request alone, beside the handler alone", f"{cost:.1f} ms more"))
    for (delay,), group in sorted(groups(rows, "delay_ms").items(), key=lambda each: int(each[0][0])):
        alone, closed = (select(group, workload=name) for name in (ALONE, AS_FAST_AS_IT_GOES))
        if alone and closed:
            speed, clients = short(median(closed, "requests_per_s")), closed[0]["clients"]
            figures = f"{median(alone, 'p50_ms'):.1f} ms alone, {speed} requests/s with {clients} clients"
            applied = closed[0]["settings"].rpartition("gathered for ")[2]
            asked = f"{delay} ms" if applied == f"{delay} ms" else f"{delay} ms, of which TorchServe made {applied}"
            found.append((f"delay of {asked}", figures))
    return found


def tell_together(rows: Rows) -> list[Finding]:
    total = find_sum_together(rows)
    return [] if total is None else [("the models together, in what each does alone: the sum", f"{total:.2f}")]


def tell_tuner(rows: Rows) -> list[Finding]:
    found = []
    for row in select(rows, workload=BESIDE_GRID):
        share, seconds = float(row["of_best"]), f"{short(float(row['search_s']))} s of {short(float(row['grid_s']))} s"
        found.append((f"{row['model']}: of the throughput of the grid's best, {row['grid_best']}", f"{share:.1%}"))
        found.append((f"{row['model']}: the search's time, of the grid's", seconds))
    spread = find_spread(rows)
    if spread is not None:
        found.append((f"{rows[0]['model']}: what the runs chose differs in throughput by", f"{spread:.1%}"))
    return found


def tell_peers(rows: Rows) -> list[Finding]:
    """With as many decimals as the table of aims has, so that both say the same."""
    found = []
    for driver in DRIVERS:
        best = find_best_peer(rows, driver)
        if best is not None:
            told = tell_variant(select(rows, server=OURS)[0])
            title = f"ResNet18 {told}, under {driver}, beside {best[0]}, the best peer with the same file"
            found.append((title, f"{tell_number(best[1])} times"))
    return found
