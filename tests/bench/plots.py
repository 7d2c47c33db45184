"""Draws figures.json: `python -m tests.bench.plots`, as a full run does at its end. Needs the group `bench`.

Grey letters and colours of middle lightness on no background: the same file is read on white and on black. Each plot
carries the digest of the figures it was drawn from.
"""

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib import pyplot as plt

from tests.bench import readme

INK = "#7d8590"
COLOURS = ("#4c8eda", "#e0823d", "#3fa66a", "#c05b8c", "#9a7bd0", "#c9a227", "#5fb3b3", "#d1605e")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "outbox",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "savefig.transparent": True,
}


def draw(document: Mapping[str, Any]) -> None:
    """Draw all plots of a document."""
    measures = document["measures"]
    readme.PLOTS.mkdir(exist_ok=True)
    drawn: dict[str, Callable[[Mapping[str, Any]], None]] = {
        "sending": _sending, "units": _units, "due": _due, "imports": _imports,
    }  # fmt: skip
    plt.switch_backend("svg")
    with plt.rc_context(STYLE):
        for name, picture in drawn.items():
            picture(measures[name])
            digest = readme.digest(measures[name])
            path = readme.PLOTS / f"{name}.svg"
            plt.savefig(path, metadata={"Date": None, "Description": f"figures {digest}"}, bbox_inches="tight")
            plt.close()


def _sending(figures: Mapping[str, Any]) -> None:
    """Draw the time of each batch in times its limit, by the API's latency."""
    cells = {(cell["batch"], cell["latency_ms"]): cell["times_the_limit"] for cell in figures["matrix"]}
    batches, latencies = (sorted({key[place] for key in cells}) for place in (0, 1))
    _, axes = plt.subplots(figsize=(7.5, 3.2))
    for number, batch in enumerate(batches):
        places = [column + (number - (len(batches) - 1) / 2) * 0.26 for column in range(len(latencies))]
        values = [cells[batch, latency] for latency in latencies]
        bars = axes.bar(places, values, 0.24, color=COLOURS[number], label=f"batch {batch:,}")
        axes.bar_label(bars, fmt="%.2f", color=INK, fontsize=8, padding=2)
    axes.set_xticks(range(len(latencies)), [f"API answers in {latency} ms" for latency in latencies])
    axes.axhline(1, color=INK, linewidth=1)
    axes.axhline(2, color=INK, linewidth=1, linestyle="--")
    axes.set_ylabel("times the limit")
    axes.set_title(f"Deliver, {figures['threads']} calls at once: 1 is the limit, 2 the goal", loc="left")
    axes.legend(loc="upper right", ncols=len(batches))
    axes.margins(y=0.3)


def _units(figures: Mapping[str, Any]) -> None:
    """Stack the write units of one mail by table and index."""
    places = list(dict.fromkeys(place for _, place in readme.UNITS))
    _, panels = plt.subplots(1, 2, figsize=(7.5, 3.2), width_ratios=(1, 1))
    labels = list(readme.CASES)
    for panel, cases in zip(panels, (labels[:2], labels[2:]), strict=True):
        for number, case in enumerate(cases):
            left = 0.0
            for colour, place in zip(COLOURS, places, strict=False):
                units = sum(step.get(place, 0) for step in figures[case]["write_units"].values())
                label = place.replace("/", ", index ") if (number, panel) == (0, panels[0]) else None
                panel.bar(number, units, 0.55, bottom=left, color=colour, label=label)
                left += units
        sums = [f"{readme.CASES[case]}\n{figures[case]['writes']:g}" for case in cases]
        panel.set_xticks(range(len(cases)), sums)
        panel.yaxis.get_major_locator().set_params(integer=True)
        panel.margins(x=0.2)
    panels[0].set_ylabel("write units of one mail")
    panels[0].axhline(12, color=INK, linewidth=1, linestyle="--")
    panels[0].set_title("Enqueued, claimed, sent; 12 is the goal at 1 KB", loc="left")
    plt.gcf().legend(loc="center left", bbox_to_anchor=(0.92, 0.5))


def _due(figures: Mapping[str, Any]) -> None:
    """Draw what a run of dispatch reads and takes, over the rows in the table."""
    rows = [each["rows"] for each in figures["tables"]]
    _, (units, seconds) = plt.subplots(1, 2, figsize=(7.5, 3.0))
    units.plot(rows, [each["scan_units"] for each in figures["tables"]], "s--", color=COLOURS[1], label="a scan would")
    read = [each["index_units"] + each["row_units"] for each in figures["tables"]]
    units.plot(rows, read, "o-", color=COLOURS[0], label=f"dispatch, {figures['due']} due")
    units.set_yscale("log")
    units.set_title("Read units", loc="left")
    units.legend()
    seconds.plot(rows, [each["seconds"] for each in figures["tables"]], "o-", color=COLOURS[0])
    seconds.set_ylim(0, 1.5 * max(each["seconds"] for each in figures["tables"]))
    seconds.set_title("Seconds", loc="left")
    for axes in (units, seconds):
        axes.set_xscale("log")
        axes.set_xlabel("rows in the table")


def _imports(figures: Mapping[str, Any]) -> None:
    """Draw each import, and the first build on top of it, beside those of boto3."""
    names = list(figures["import_ms"])[::-1]
    _, axes = plt.subplots(figsize=(7.5, 3.2))
    imports = [figures["import_ms"][name] for name in names]
    builds = [figures["cold_start_ms"][name] - figures["import_ms"][name] for name in names]
    axes.barh(names, imports, 0.6, color=COLOURS[0], label="import")
    axes.barh(names, builds, 0.6, left=imports, color=COLOURS[4], label="first build (for boto3: one client)")
    for place, name in enumerate(names):
        told = f" {figures['ratio'][name]:.2f}x, cold {figures['cold_start_ratio'][name]:.2f}x"
        axes.text(figures["cold_start_ms"][name], place, told, va="center", fontsize=8)
    axes.set_xlabel("ms in a fresh process")
    axes.margins(x=0.25)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)


def main() -> None:
    """Draw what the file says."""
    draw(readme.load())


if __name__ == "__main__":
    main()
