# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as Markdown: what was wanted, what came out, beside the others."""
from part_media import media_table


def verdict(good):
    return "yes" if good else "**no**"


def cell(value, digits=1):
    return f"{value:,.{digits}f}"


def beside(result, names, unit, what):
    """Lines of a part that compares: ours first, then each other one with its ratio."""
    ours = result["liuhend"]
    lines = [f"| {what} | | liuhend | {cell(ours['seconds'], 2)} s | {cell(ours['cpu'], 2)} s | {cell(ours['rate'], 2)} {unit} | | | |"]
    for name, label in names:
        other, ratio, wanted = result[name], result[f"ratio_{name}"], result[f"wanted_{name}"]
        lines.append(f"| | | {label} | {cell(other['seconds'], 2)} s | {cell(other['cpu'], 2)} s | {cell(other['rate'], 2)} {unit} | "
                     f"{cell(ratio, 2)} × | {wanted} × | {verdict(ratio >= wanted)} |")
    return lines


def files_table(results, parts):
    lines = ["| work | | program | wall | processor | rate | liuhend is | wanted | met |", "|---|---|---|--:|--:|--:|--:|--:|---|"]
    if "intake" in parts:
        lines += beside(results["intake"], [("openssl", "`openssl dgst -sha256`, one process"),
                                            ("script", "`cp` + `sha256sum` + `ffprobe` a file")], "GiB/s", "20 × 256 MiB, page cache warm")
    if "photos" in parts:
        p = results["photos"]
        lines += beside(p, [("git-annex", "`git-annex add -J2`"), ("restic", "`restic backup`")], "/s",
                        f"2,000 JPEGs of {p['bytes_each'] // 1000} kB")
    return lines


def row(what, value, wanted, good):
    return f"| {what} | {value} | {wanted} | {verdict(good)} |"


def latency_rows(r):
    return [row("one 1 MB photo: close → receipt, p50", f"{cell(r['p50_ms'])} ms", f"≤ {r['wanted_p50_ms']} ms",
                r["p50_ms"] <= r["wanted_p50_ms"]),
            row(f"the same, p99 (worst {cell(r['max_ms'])} ms; write + fsync alone here: p50 {cell(r['write_and_fsync_p50_ms'])}, "
                f"p99 {cell(r['write_and_fsync_p99_ms'])} ms)", f"{cell(r['p99_ms'])} ms", f"≤ {r['wanted_p99_ms']} ms",
                r["p99_ms"] <= r["wanted_p99_ms"])]


def catalogue_rows(r):
    return [row(f"{r['recordings']:,} recordings: start to READY (worst of 5: {cell(r['ready_max_seconds'], 2)} s)",
                f"{cell(r['ready_seconds'], 2)} s", f"≤ {r['wanted_ready_seconds']} s",
                r["ready_max_seconds"] <= r["wanted_ready_seconds"]),
            row(f"any `ls` page, p99 of {r['pages']:,} (p50 {cell(r['p50_ms'], 2)} ms)", f"{cell(r['p99_ms'], 2)} ms",
                f"≤ {r['wanted_p99_ms']} ms", r["p99_ms"] <= r["wanted_p99_ms"]),
            row(f"slowest `ls`, median of 5: {r['worst'][0]['query'].replace('|', '/')}", f"{cell(r['worst'][0]['ms'], 2)} ms",
                f"≤ {r['wanted_p99_ms']} ms", r["worst"][0]["ms"] <= r["wanted_p99_ms"])]


def idle_rows(r):
    memory = [row(f"idle, resident, {when} (proportional {cell(r[key]['pss_mib'])}, anonymous {cell(r[key]['anonymous_mib'])} MiB)",
                  f"{cell(r[key]['rss_mib'])} MiB", f"≤ {r['wanted_rss_mib']} MiB", r[key]["rss_mib"] <= r["wanted_rss_mib"])
              for key, when in (("start", "after the start"), ("after_2000_photos", "after 2,000 photos"))]
    allowed = r["wakeups_by_watchdog"] + 1
    return memory + [row(f"wake-ups of all {r['wakeups']['threads']} threads in {r['seconds']} s, watchdog of "
                         f"{r['watchdog_seconds']:.0f} s", str(r["wakeups"]["total"]), f"≤ {allowed} (the watchdog's)",
                         r["wakeups"]["total"] <= allowed)]


def ledger_rows(r):
    return [row("ledger: published in groups of 500", f"{cell(r['ledger_publish'], 0)} leaves/s", f"≥ {r['wanted_publish']:,}",
                r["ledger_publish"] >= r["wanted_publish"]),
            row("ledger: a receipt of 1,000,000 leaves, p99", f"{cell(r['ledger_proof_p99'], 3)} ms", f"≤ {r['wanted_proof_ms']} ms",
                r["ledger_proof_p99"] <= r["wanted_proof_ms"]),
            row("ledger: verify 1,000,000 leaves", f"{cell(r['ledger_verify'], 2)} s", f"≤ {r['wanted_verify_seconds']} s",
                r["ledger_verify"] <= r["wanted_verify_seconds"])]


def doors_table(r):
    """Uploads: ours beside each peer, throughput and processor time a GiB."""
    labels = {"nginx": "nginx DAV", "tus-server": "`@tus/server`"}
    lines = ["| upload | program | GiB/s | CPU s a GiB | throughput, liuhend : peer | wanted | CPU, liuhend : peer | wanted | met |",
             "|---|---|--:|--:|--:|--:|--:|--:|---|"]
    for what, run in r["runs"].items():
        ours = run["liuhend"]
        lines.append(f"| {what} | liuhend | {ours['gib_per_second']:.2f} | {ours['cpu_per_gib']:.2f} | | | | | |")
        for name, other in ((n, o) for n, o in run.items() if n != "liuhend"):
            faster, dearer = ours["gib_per_second"] / other["gib_per_second"], ours["cpu_per_gib"] / other["cpu_per_gib"]
            least = r["wanted"]["throughput"] if what.startswith("put") else None
            most = r["wanted"]["cpu_tus" if name == "tus-server" else "cpu_nginx"]
            good = dearer <= most and (least is None or faster >= least)
            lines.append(f"| | {labels[name]} | {other['gib_per_second']:.2f} | {other['cpu_per_gib']:.2f} | {faster:.2f} | "
                         f"{f'≥ {least}' if least else ''} | {dearer:.2f} | ≤ {most} | {verdict(good)} |")
    return lines


def door_memory_rows(r):
    return [line for kind in ("plain", "tls") for line in (
        row(f"500 open connections, {kind}: resident ({cell(r[kind]['before']['rss_mib'])} MiB before)",
            f"{cell(r[kind]['after']['rss_mib'])} MiB", f"≤ {r['wanted']['rss_mib']} MiB",
            r[kind]["after"]["rss_mib"] <= r["wanted"]["rss_mib"]),
        row(f"growth an idle connection, {kind}", f"{cell(r[kind]['connection_kib'])} KiB", f"≤ {r['wanted']['connection_kib']} KiB",
            r[kind]["connection_kib"] <= r["wanted"]["connection_kib"]))]


def door_photos_rows(r):
    return [row(f"2,000 photos of 200 kB over 32 connections, with receipts (rounds {r['rounds']})", f"{cell(r['per_second'], 0)}/s",
                f"≥ {r['wanted']}/s", r["per_second"] >= r["wanted"])]


def docks_rows(r):
    if "skipped" in r:
        return [f"| 24 docks on a bad network | skipped: {r['skipped']} | all, none twice | |"]
    return [row(f"24 docks, {what}: {one['files']} files, {one['mib']} MiB, in {cell(one['seconds'])} s", f"{one['arrived']} arrived, "
                f"{one['twice']} twice", "all, none twice", one["arrived"] == one["files"] and one["twice"] == 0)
            for what, one in r["runs"].items()]


ROWS = {"door-memory": door_memory_rows, "door-photos": door_photos_rows, "docks": docks_rows, "latency": latency_rows, "catalogue": catalogue_rows, "idle": idle_rows, "ledger": ledger_rows}


def machine_lines(results):
    m, p = results["machine"], results["peers"]
    return [f"Taken on {m['date']}, commit {p['commit']}. {m['processor']}, {m['cores']} cores"
            f"{' with SHA instructions' if m['sha_extensions'] else ''}, {m['memory_gib']} GiB; {m['system']}, Linux {m['kernel']}; "
            f"file system: {m['file_system']}; load before: {m['load_before']:.1f}.",
            "Beside: " + "; ".join(p[k] for k in ("openssl", "git-annex", "restic", "ffprobe", "coreutils", "nginx", "node")) + f"; SQLite {p['SQLite']}."]


def notes(results, parts):
    lines = []
    for part, what in (("intake", "20 files"), ("photos", "2,000 photos")):
        if part in parts:
            r = results[part]
            lines.append(f"- {what}: sealed and durable after {cell(r['liuhend']['seconds'], 2)} s (rounds {r['liuhend']['rounds']}), examined, "
                         f"placed and decided too after {cell(r['examined_seconds'], 1)} s.")
    if "catalogue" in parts:
        r = results["catalogue"]
        lines.append(f"- The catalogue's file has {r['bytes'] / 2**30:.1f} GiB; `status` takes {cell(r['status_ms'])} ms, a page of 1,000 "
                     f"{cell(r['page_of_1000_ms'])} ms; resident after all these lists: {cell(r['rss_mib'])} MiB.")
    return lines


def table(results, parts):
    """The whole report for these parts."""
    lines = machine_lines(results) + [""]
    if {"intake", "photos"} & set(parts):
        lines += files_table(results, parts) + [""]
    if "doors" in parts:
        lines += doors_table(results["doors"]) + [""]
    if "media" in parts:
        lines += [media_table(results["media"]), ""]
    rows = [line for part in ROWS if part in parts for line in ROWS[part](results[part])]
    if rows:
        lines += ["| work | here | wanted | met |", "|---|--:|--:|---|", *rows, ""]
    return "\n".join(lines + notes(results, parts))
