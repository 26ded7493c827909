"""An audit as text for the console, as JSON, and as one HTML page."""

import json
import textwrap
from pathlib import Path

from jaxforensics.reporting import document, figures, tables
from jaxforensics.reporting.blocks import Details, Figure, Heading, Table, Text

SIGNS = {"error": "ERROR  ", "warning": "WARNING", "note": "note   "}
INDENT = 8 * " "


def text(report):
    """What the console shows: tables, then the findings."""
    parts = [
        f"{report['pictures']} pictures in {report['root']}",
        tables.markdown(report["counts"]),
        tables.markdown(report["properties"]),
        "Bytes per file\n\n" + tables.markdown(report["file_sizes"]),
    ]
    if report["leaks"]:
        title = "AUC of trivial features (0.5 = no leak)\n\n"
        parts.append(title + tables.markdown(_leaks(report)))
    parts += [
        textwrap.fill(
            f"{SIGNS[f['severity']]} {f['text']}", 88, subsequent_indent=INDENT
        )
        for f in report["findings"]
    ]
    return "\n\n".join(part.rstrip() for part in parts)


def write(audit, out):
    """Write `audit.json` and `index.html` into a directory; return the page's path."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "audit.json").write_text(json.dumps(audit.report, indent=1))
    report = audit.report
    page = document.Document(
        title=f"Audit of {Path(report['root']).resolve().name}",
        subtitle=f"What {report['root']} gives away besides forgery",
        facts={
            "pictures": report["pictures"],
            "left out": len(report["failures"]),
            "exact copies": report["copies"],
            "sets of near duplicates": len(report["duplicates"]["near"]),
        },
        blocks=[
            *_about_findings(report),
            *_about_leaks(report),
            *_about_contents(audit),
            *_about_duplicates(audit),
            *_about_failures(report),
        ],
    )
    document.write(page, html=out / "index.html")
    return out / "index.html"


def _about_findings(report):
    lines = [f"- **{f['severity']}**: {f['text']}" for f in report["findings"]]
    yield Heading("Findings")
    yield Text("\n".join(lines))


def _about_leaks(report):
    if not report["leaks"]:
        return
    series = {}
    for leak in report["leaks"]:
        interval = leak["auc"], leak["low"], leak["high"]
        series.setdefault(leak["family"], {})[leak["fakes"]] = interval
    yield Heading("Do labels leak?")
    yield Text(
        "Boosted trees on features that say nothing about forgery, tested on "
        "groups they have not seen (near duplicates count as one group).  What they "
        "reach, a detector reaches without looking at a face."
    )
    yield Figure(
        figures.bars(
            series,
            y_label="area under the ROC curve",
            y_limits=(min(0.4, *(leak["low"] for leak in report["leaks"])), 1),
            level=(0.5, "chance"),
        ),
        caption="Area under the ROC curve with 95 % intervals over groups.",
    )
    yield Table(_leaks(report))


def _about_contents(audit):
    yield Heading("Pictures")
    yield Table(audit.report["counts"])
    yield Heading("Sizes, formats, compression")
    yield Table(
        audit.report["properties"],
        caption="Pictures of each source.  A JPEG quality is exact where its "
        "quantisation tables are those of libjpeg; of custom tables, the nearest.",
    )
    yield Figure(
        figures.histogram(
            {source: sizes / 1024 for source, sizes in audit.file_sizes.items()},
            x_label="file size, KiB",
        ),
        caption="File sizes of each source.",
    )
    yield Table(audit.report["file_sizes"], caption="Bytes per file.")


def _about_duplicates(audit):
    clusters_of = audit.report["duplicates"]
    rows = [
        {
            "kind": relation,
            "clusters": len(clusters),
            "pictures": sum(len(c["names"]) for c in clusters),
            "across splits": sum(len(c["splits"]) > 1 for c in clusters),
            "across classes": sum(len(c["labels"]) > 1 for c in clusters),
        }
        for relation, clusters in clusters_of.items()
    ]
    yield Heading("Duplicates")
    yield Text("Near duplicates have similar perceptual hashes and thumbnails.")
    yield Table(rows)
    for relation, clusters in clusters_of.items():
        if clusters:
            names = "\n\n".join("\n".join(cluster["names"]) for cluster in clusters)
            yield Details(f"{len(clusters)} clusters, {relation}", names)
    if audit.examples:
        pairs = [list(pair.items()) for pair in audit.examples]
        yield Figure(
            figures.pictures(
                [[pair[row][1] for pair in pairs] for row in (0, 1)],
                captions=[[_short(pair[row][0]) for pair in pairs] for row in (0, 1)],
            ),
            caption="Near duplicates that lie across splits or classes, in columns.",
        )
    if audit.report["overlap"]:
        yield Heading("Groups in several splits")
        yield Table(audit.report["overlap"])


def _about_failures(report):
    if report["failures"]:
        rows = [{"reason": r, "files": n} for r, n in report["reasons"].items()]
        names = (
            f"{f['name']}: {f['reason']} {f['detail']}" for f in report["failures"]
        )
        yield Heading("Left out")
        yield Table(rows)
        yield Details(f"{len(report['failures'])} files", "\n".join(names))


def _leaks(report):
    """Rows: a family of features, and the AUC for the fakes of each source."""
    rows = {}
    for leak in report["leaks"]:
        row = rows.setdefault(leak["family"], {"features": leak["family"]})
        row[leak["fakes"]] = leak["auc"]
    return list(rows.values())


def _short(name):
    """The end of a name that fits below a small picture, on two lines."""
    return "\n".join(part[-18:] for part in name.rsplit("/", 1))
